"""Whether the API can be reached, at /readyz. Used by `main`. Liveness (/healthz) does not depend on it."""

from collections.abc import Callable

import httpx
import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stanine.telemetry.health import HealthReport

#: Seconds for the answer of the API: shorter than probes usually wait.
API_SECONDS = 0.8


def with_readiness(
    pages: ASGIApp, api: httpx.AsyncClient, report: Callable[[bool], None] = lambda _ready: None
) -> ASGIApp:
    """Return the application with a route /readyz: 503 until the API was ready once, then 200; with the reason.

    During a later outage of the API the pages stay reachable: they keep what a participant has posted, and offer to
    send it again. `api`: a client whose base URL is the address of the API. `report` is called with each result.
    """
    was_ready = False

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/readyz":
            await pages(scope, receive, send)
            return
        nonlocal was_ready
        reason = await _reason(api)
        was_ready = was_ready or not reason
        report(was_ready)
        health = HealthReport(was_ready, [reason] if reason else [])
        body, status = msgspec.json.encode(health), 200 if was_ready else 503
        await Response(body, status, media_type="application/json")(scope, receive, send)

    return serve


async def _reason(api: httpx.AsyncClient) -> str:
    """Return why the pages are not ready; "" if they are."""
    try:
        answer = await api.get("/readyz", timeout=API_SECONDS)
    except httpx.HTTPError as error:
        return f"the API cannot be reached ({type(error).__name__})"
    return "" if answer.is_success else f"the API is not ready (status {answer.status_code})"
