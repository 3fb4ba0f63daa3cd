"""Measures the requests of the pages and exposes the figures at /metrics. Used by `main`."""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanine.telemetry.metrics import expose
from stanine.telemetry.pages_metrics import PagesMetrics


def measured(pages: ASGIApp, metrics: PagesMetrics) -> ASGIApp:
    """Return the application with measurements and the route /metrics."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await pages(scope, receive, send)
            return
        if scope["path"] == "/metrics":
            accept = Request(scope).headers.get("accept", "")
            body, content_type = expose(metrics.registry, accept)
            await Response(body, media_type=content_type)(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await pages(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "")
            metrics.request(scope["method"], route, status, time.perf_counter() - began)

    return serve
