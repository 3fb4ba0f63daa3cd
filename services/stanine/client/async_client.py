"""`AsyncStanine`: the client for asyncio.

It runs the flows of `flow` and has the resources as attributes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from stanine.client.async_resources import (
    AsyncAttemptsResource,
    AsyncAuditResource,
    AsyncConfigResource,
    AsyncInstrumentsResource,
    AsyncInvitationsResource,
    AsyncKeysResource,
    AsyncLoginsResource,
    AsyncParticipantsResource,
    AsyncQueuesResource,
    AsyncResultsResource,
    AsyncSessionsResource,
    AsyncStatusResource,
    AsyncTokensResource,
)
from stanine.client.connecting import DEFAULT_TIMEOUT, Endpoint, no_reply
from stanine.client.flow import Flow, RequestContext, Send, exchange, sibling
from stanine.client.messages import ApiCall, NoReply, Reply
from stanine.client.retries import Retry, RetryPolicy

T = TypeVar("T")


class AsyncStanine:
    """Stanine's HTTP API for asyncio; the methods are those of `Stanine`, to be awaited or iterated with `async for`.

    async with AsyncStanine("http://127.0.0.1:8420", key) as client:
        result = await client.attempts.submit_and_wait("gad-7", {"q1": 2, ...})
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        timeout: float | httpx.Timeout = DEFAULT_TIMEOUT,
        retries: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """`on_retry` is called before a request is sent again. `http_client`: for proxies and certificates; its owner closes it.

        Raises ValueError if the address or the key cannot be used.
        """
        server = Endpoint.at(base_url, key, timeout)
        context = RequestContext(
            retries or RetryPolicy(), on_retry, (server.key,) if server.key else ()
        )
        self._owns_http = http_client is None
        self._bind(
            server, context, http_client or httpx.AsyncClient(trust_env=server.uses_environment)
        )

    def _bind(self, server: Endpoint, context: RequestContext, http: httpx.AsyncClient) -> None:
        self._server, self.context, self._http = server, context, http
        self.instruments = AsyncInstrumentsResource(self)
        self.attempts = AsyncAttemptsResource(self)
        self.results = AsyncResultsResource(self)
        self.sessions = AsyncSessionsResource(self)
        self.invitations = AsyncInvitationsResource(self)
        self.participants = AsyncParticipantsResource(self)
        self.queues = AsyncQueuesResource(self)
        self.config = AsyncConfigResource(self)
        self.tokens = AsyncTokensResource(self)
        self.logins = AsyncLoginsResource(self)
        self.keys = AsyncKeysResource(self)
        self.audit = AsyncAuditResource(self)
        self.status = AsyncStatusResource(self)

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | None = None,
        retries: RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        key: str | None = None,
    ) -> "AsyncStanine":
        """Return a client with other options on the same connections; closing it closes nothing.

        Raises ValueError if the key cannot be used.
        """
        other = object.__new__(AsyncStanine)
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

    async def close(self) -> None:
        """Close the connections."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncStanine({self._server.address!r})"

    # ---- for the resources

    async def call(self, call: ApiCall[T]) -> T:
        """Make a call, tried again as the policy says."""
        return await self.run(exchange(self.context, call))

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow: perform what it yields and send it the outcome."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Send):
                    step = flow.send(await self._send(step))
                else:
                    await asyncio.sleep(step.seconds)
                    step = flow.send(None)
        except StopIteration as end:
            value: T = end.value
            return value

    async def run_in_order(
        self, flows: AsyncIterator[Flow[T]], at_once: int
    ) -> AsyncGenerator[T, None]:
        """Yield the results of flows in order, running some concurrently.

        Flows are taken from the iterator on demand.
        """
        under_way: deque[asyncio.Task[T]] = deque()
        try:
            async for flow in flows:
                under_way.append(asyncio.create_task(self.run(flow)))
                if len(under_way) >= at_once:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _send(self, send: Send) -> Reply | NoReply:
        request = self._http.build_request(**self._server.request(send.call))
        try:
            response = await self._http.send(request, stream=True)
            try:
                if send.sink is None or response.status_code != httpx.codes.OK:
                    body = await response.aread()
                else:
                    body = b""
                    async for part in response.aiter_bytes():
                        send.sink(part)
                return Reply(response.status_code, dict(response.headers), body)
            finally:
                await response.aclose()
        except httpx.RequestError as error:
            return no_reply(error)
