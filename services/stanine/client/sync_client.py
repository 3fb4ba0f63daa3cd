"""`Stanine`: the synchronous client, safe for threads. It runs the flows of `flow`.

Resources are attributes.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

import httpx

from stanine.client.connecting import DEFAULT_TIMEOUT, Endpoint, no_reply
from stanine.client.errors import StanineClientError
from stanine.client.flow import Flow, RequestContext, Send, exchange, sibling
from stanine.client.messages import ApiCall, NoReply, Reply
from stanine.client.retries import Retry, RetryPolicy
from stanine.client.sync_resources import (
    AttemptsResource,
    AuditResource,
    ConfigResource,
    InstrumentsResource,
    InvitationsResource,
    KeysResource,
    LoginsResource,
    ParticipantsResource,
    QueuesResource,
    ResultsResource,
    SessionsResource,
    StatusResource,
    TokensResource,
)

T = TypeVar("T")


class Stanine:
    """Stanine's HTTP API. Use it as a context manager, or call `close`.

        with Stanine("http://127.0.0.1:8420", key) as client:
            result = client.attempts.submit_and_wait("gad-7", {"q1": 2, ...})

    Every method raises `StanineClientError`s: `PermanentError`, or `TemporaryError` after it was tried for as long as `retries` says.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        retries: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        """`on_retry` is called before a request is sent again. `http_client`: for proxies and certificates; its owner closes it.

        Raises ValueError if the address or the key cannot be used.
        """
        server = Endpoint.at(base_url, key, timeout)
        context = RequestContext(
            retries or RetryPolicy(), on_retry, (server.key,) if server.key else ()
        )
        self._owns_http = http_client is None
        self._bind(server, context, http_client or httpx.Client(trust_env=server.uses_environment))

    def _bind(self, server: Endpoint, context: RequestContext, http: httpx.Client) -> None:
        self._server, self.context, self._http = server, context, http
        self.instruments = InstrumentsResource(self)
        self.attempts = AttemptsResource(self)
        self.results = ResultsResource(self)
        self.sessions = SessionsResource(self)
        self.invitations = InvitationsResource(self)
        self.participants = ParticipantsResource(self)
        self.queues = QueuesResource(self)
        self.config = ConfigResource(self)
        self.tokens = TokensResource(self)
        self.logins = LoginsResource(self)
        self.keys = KeysResource(self)
        self.audit = AuditResource(self)
        self.status = StatusResource(self)

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | None = None,
        retries: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        key: str | None = None,
    ) -> "Stanine":
        """Return a client with other options on the same connections; closing it closes nothing.

        Raises ValueError if the key cannot be used.
        """
        other = object.__new__(Stanine)
        other._owns_http = False
        server = (
            self._server
            if timeout is None and key is None
            else Endpoint.at(
                self._server.address,
                key or self._server.key,
                self._server.timeout if timeout is None else timeout,
            )
        )
        context = sibling(
            self.context,
            policy=retries or self.context.policy,
            on_retry=on_retry or self.context.on_retry,
            secrets=(server.key,) if server.key else (),
        )
        other._bind(server, context, self._http)
        return other

    def close(self) -> None:
        """Close the connections."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stanine({self._server.address!r})"

    # ---- for the resources

    def call(self, call: ApiCall[T]) -> T:
        """Make a call, tried again as the policy says."""
        return self.run(exchange(self.context, call))

    def run(self, flow: Flow[T], stop: threading.Event | None = None) -> T:
        """Run a flow: perform what it yields and send it the outcome.

        Setting `stop` ends it at its next pause.
        """
        stop = stop or threading.Event()
        try:
            step = next(flow)
            while True:
                if isinstance(step, Send):
                    step = flow.send(self._send(step))
                elif stop.wait(step.seconds):
                    flow.close()
                    raise StanineClientError("it was given up")
                else:
                    step = flow.send(None)
        except StopIteration as end:
            value: T = end.value
            return value

    def run_in_order(self, flows: Iterator[Flow[T]], at_once: int) -> Generator[T, None, None]:
        """Yield the results of flows in order, running some concurrently.

        Flows are taken from the iterator on demand.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(at_once, thread_name_prefix="stanine") as pool:
            under_way: deque[Future[T]] = deque()
            try:
                for flow in flows:
                    under_way.append(pool.submit(self.run, flow, stop))
                    if len(under_way) > at_once:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:  # also when the caller stops early: leaving `pool` joins its threads
                stop.set()
                for future in under_way:
                    future.cancel()

    def _send(self, send: Send) -> Reply | NoReply:
        request = self._http.build_request(**self._server.request(send.call))
        try:
            response = self._http.send(request, stream=True)
            try:
                if send.sink is None or response.status_code != httpx.codes.OK:
                    body = response.read()
                else:
                    body = b""
                    for part in response.iter_bytes():
                        send.sink(part)
                return Reply(response.status_code, dict(response.headers), body)
            finally:
                response.close()
        except httpx.RequestError as error:
            return no_reply(error)
