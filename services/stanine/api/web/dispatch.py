"""The ASGI application: authenticates, calls the handler, and maps errors to problems.

Made by `app`. Starlette's router finds the route (`routing`); the endpoints are raw ASGI:
docs/explanation/decisions/0002-http-server.md.
"""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from opentelemetry.trace import INVALID_SPAN, Tracer

from stanine.api.people.codes import is_code
from stanine.api.web.auth import Caller, Keyring
from stanine.api.web.change_recorder import ChangeRecorder, is_recorded
from stanine.api.web.failed_logins import FailedLogins
from stanine.api.web.guard import CONNECTION
from stanine.api.web.http import JSON, Answer, ClientGone, Headers, Receive, Request, Scope, Send
from stanine.api.web.login_tokens import LoginTokens, is_login
from stanine.api.web.problem_mapping import problem_of
from stanine.api.web.problems import (
    INTERNAL,
    MALFORMED_REQUEST,
    MEDIA_TYPE,
    MISSING_SCOPE,
    NOT_FOUND,
    NOT_READY,
    UNAUTHENTICATED,
    NotFound,
    Problem,
)
from stanine.api.web.queries import is_label, read_query
from stanine.api.web.routing import PathRoute, Route, Router, parameters_of
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log
from stanine.telemetry.traces import METHODS, end_server_span, make_current, start_server_span

#: The metrics label of requests without a route: a path is the caller's text and never becomes a label.
UNMATCHED = "unmatched"

#: Hexadecimal digits of an attempt's token.
TOKEN_LENGTH = 32

#: Headers that may occur only once: they identify the caller and describe the body.
_SINGLE = (b"host", b"authorization", b"content-type", b"content-encoding", b"idempotency-key")
_CHALLENGE: Headers = ((b"www-authenticate", b'Bearer realm="stanine"'),)
_PROBLEM_TYPE = MEDIA_TYPE.encode()
_ENCODER = msgspec.json.Encoder()

log = get_log()


class Dispatcher:
    """The ASGI application of a table of routes."""

    def __init__(
        self,
        routes: Iterable[Route],
        keyring: Keyring,
        logins: LoginTokens,
        recorder: ChangeRecorder,
        metrics: ApiMetrics,
        tracer: Tracer,
        *,
        records_spans: bool,
        instruments: Callable[[], Iterable[str]],
        reasons: Callable[[], list[str]],
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
        failed_logins: FailedLogins,
    ) -> None:
        """`instruments`: all names; `reasons`: why nothing is served yet.

        `start` and `stop` are called by the server's lifespan.
        """
        self._instruments = instruments
        self.router = Router(routes, self._serve, self._live)
        self._keyring = keyring
        self._logins = logins
        self._failed_logins = failed_logins
        self._recorder = recorder
        self._metrics = metrics
        self._tracer = tracer
        self._records_spans = records_spans
        self._reasons = reasons
        self._start, self._stop = start, stop

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI connection."""
        return self.router(scope, receive, send)

    async def _serve(self, resource: PathRoute, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        method = scope["method"]
        request = Request(
            method, dict(scope["headers"]), receive, send, scope.get("state", {}).get(CONNECTION)
        )
        label, token = UNMATCHED, None
        try:
            if len(request.headers) != len(scope["headers"]) or b"host" not in request.headers:
                _check_headers(scope)
            route = resource.route(method)
            label = resource.path
            request.parameters = parameters_of(scope)
            # frequent probes would hide the requests of callers
            if (self._records_spans and not route.always) or b"traceparent" in request.headers:
                headers = request.headers
                traceparent = headers.get(b"traceparent", b"").decode("latin-1")
                request.span = start_server_span(
                    self._tracer,
                    method,
                    label,
                    traceparent,
                    headers.get(b"tracestate", b"").decode("latin-1"),
                )
                token = make_current(request.span)
            await self._admit(route, request, scope)
            if is_recorded(route):
                answer = await self._recorder.run(route, request)
            else:
                answer = await route.handler(request)
            if answer is not None:
                await request.answer(answer)
        except ClientGone:
            request.status = request.status or 499
        except Exception as error:  # noqa: BLE001 - any error is answered by a problem document and logged
            await self._fail(request, label, error)
        finally:
            counted = method if method in METHODS else "other"
            self._metrics.answered(counted, label, request.status, time.perf_counter() - started)
            if request.span is not INVALID_SPAN:
                end_server_span(request.span, request.status, token)

    async def _admit(self, route: Route, request: Request, scope: Scope) -> None:
        """Check readiness, key, scope, query and access to the path's instrument, in this order."""
        if not route.always and (reasons := self._reasons()):
            raise Problem(NOT_READY, "; ".join(reasons))
        if route.takes_key:
            address = self._failed_logins.begin(scope, request, time.monotonic())
            request.caller = await self._authenticate(route, request)
            self._failed_logins.succeed(address)
        elif route.needs_credential:
            request.caller = await self._authenticate(route, request)
        request.query = read_query(scope["query_string"], route.query)
        name = request.parameters.get("name")
        if name is None or request.caller is None:
            return
        if is_label(name) and request.caller.sees(name):
            return
        if route.method == "PUT" and request.caller.sees_all:  # others only find nothing
            raise Problem(
                NOT_FOUND,
                "The name of an instrument has at most 63 lower-case letters, digits and hyphens; letters and digits"
                " at both ends.",
            )
        raise NotFound("Instrument", name)

    async def _authenticate(self, route: Route, request: Request) -> Caller | None:
        kind, _, key = request.headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer" or not key:
            raise Problem(UNAUTHENTICATED, "Send Authorization: Bearer KEY.", headers=_CHALLENGE)
        takes_key = route.scope is not None or route.takes_key
        caller = self._keyring.find(key) if takes_key else None
        if caller is None and is_login(key) and (route.scope is not None or route.takes_login):
            caller = await self._logins.caller(key)
            request.bearer = key.decode("latin-1")
        if caller is None:
            if (route.takes_token and _is_token(key)) or (route.takes_code and is_code(key)):
                request.bearer = key.decode()
                return None
            raise Problem(
                UNAUTHENTICATED,
                "The key is not known here, or the login has ended.",
                headers=_CHALLENGE,
            )
        if route.scope is not None and (refusal := caller.refusal(route.scope)):
            raise Problem(MISSING_SCOPE, refusal)
        return caller

    async def _fail(self, request: Request, label: str, error: Exception) -> None:
        problem = problem_of(error)
        if (
            isinstance(problem, NotFound)
            and problem.what == "Instrument"
            and request.caller is not None
        ):
            problem = NotFound(
                "Instrument", problem.name, filter(request.caller.sees, self._instruments())
            )
        if problem is None:
            error_id = uuid.uuid4().hex
            log.error("request.failed", route=label, problem=error_id, exc_info=error)
            problem = Problem(INTERNAL, "The log has details under this id.", id=error_id)
        elif problem.kind.status >= 500 and not isinstance(error, Problem):
            log.warning("request.unavailable", route=label, error=type(error).__name__)
        if request.started:
            # The status is sent already: only aborting the connection shows that the answer is incomplete.
            raise error
        try:
            self._metrics.refused(problem.kind.code)
            await request.answer(problem_answer(problem))
        except Exception as closed:  # noqa: BLE001 - servers raise various errors for a closed connection
            log.debug("request.abandoned", route=label, error=type(closed).__name__)

    @asynccontextmanager
    async def _live(self, _app: Any) -> AsyncIterator[None]:
        try:
            await self._start()
        except Exception:
            log.exception("api.not_started")
            raise
        yield
        await self._stop()


def problem_answer(problem: Problem) -> Answer:
    """Return a problem as an answer."""
    return Answer(
        problem.kind.status, _ENCODER.encode(problem.document), _PROBLEM_TYPE, problem.headers
    )


def json_answer(record: Any, status: int = 200, headers: Headers = ()) -> Answer:
    """Return a record as a JSON answer."""
    return Answer(status, _ENCODER.encode(record), JSON, headers)


def _is_token(text: bytes) -> bool:
    return len(text) == TOKEN_LENGTH and all(character in b"0123456789abcdef" for character in text)


def _check_headers(scope: Scope) -> None:
    """Refuse a missing Host (RFC 9112, 3.2; HTTP/1.0 has none) and repeated single headers.

    A proxy may have read the other one of two repeated headers.
    """
    names = [name for name, _ in scope["headers"]]
    if b"host" not in names and scope.get("http_version", "1.1") != "1.0":
        raise Problem(MALFORMED_REQUEST, "Send Host exactly once.")
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Problem(MALFORMED_REQUEST, f"Send {name.decode().title()} exactly once.")
