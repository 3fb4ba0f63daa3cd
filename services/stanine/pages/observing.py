"""Measures and traces the requests of the pages, and exposes the figures at /metrics. Used by `main` and `combined`."""

import time

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanine.telemetry.metrics import expose
from stanine.telemetry.pages_metrics import PagesMetrics
from stanine.telemetry.traces import (
    METHODS,
    OTHER_METHOD,
    end_server_span,
    get_tracer,
    make_current,
    records_spans,
    set_route,
    start_server_span,
)

#: The status of a request whose browser left before the response: nothing was sent.
_LEFT = 499


def observed(pages: ASGIApp, metrics: PagesMetrics, provider: trace.TracerProvider) -> ASGIApp:
    """Return the application with measurements, a span for each request but probes, and the route /metrics.

    Routes are named by their templates: codes and ids of sessions are in neither metrics nor spans.
    """
    tracer, records = get_tracer(provider), records_spans(provider)

    def start(scope: Scope, method: str) -> Span:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        traceparent = headers.get(b"traceparent", "")
        if not traceparent and (not records or scope["path"] == "/healthz"):
            return INVALID_SPAN
        return start_server_span(tracer, method, "", traceparent, headers.get(b"tracestate", ""))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await pages(scope, receive, send)
            return
        if scope["path"] == "/metrics":
            accept = Request(scope).headers.get("accept", "")
            body, content_type = expose(metrics.registry, accept)
            await Response(body, media_type=content_type)(scope, receive, send)
            return
        began, status = time.perf_counter(), _LEFT

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        span = start(scope, method)
        token = None if span is INVALID_SPAN else make_current(span)
        try:
            await pages(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "")
            counted = "other" if method == OTHER_METHOD else method
            metrics.request(counted, route, status, time.perf_counter() - began)
            if token is not None:
                set_route(span, method, route)
                end_server_span(span, status, token)

    return serve
