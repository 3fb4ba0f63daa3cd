"""The pages' metrics and spans name templates of addresses, never codes or sessions."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import ASGIApp
from tests.integration.metrics_page import described, exposed, ours
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.api_connection import ApiConnection
from stanine.pages.app import make_pages
from stanine.pages.observing import observed
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions
from stanine.telemetry.metrics import make_registry
from stanine.telemetry.pages_metrics import CALL_OUTCOMES, PagesMetrics, watch_readiness

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def recording(sampler: Sampler = ALWAYS_ON) -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def served(
    visit: Callable[[httpx.AsyncClient], Awaitable[str]],
    provider: trace.TracerProvider,
    source: ASGIApp | None = None,
) -> str:
    """Return what a visit to observed pages returns."""
    pages = source or make_pages(
        PagesSettings(base_path="/x"), LocalSessions(entry_of(DOCUMENTS[0])), no_connections
    )
    registry = make_registry()
    watch_readiness(registry)
    app = observed(pages, PagesMetrics(registry), provider)

    async def run() -> str:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await visit(http)

    return asyncio.run(run())


async def browse(http: httpx.AsyncClient) -> str:
    await http.get(f"/x/s/{CODE}?from=a-query")
    started = await http.post(f"/x/s/{CODE}")
    await http.get(started.headers["location"])
    await http.get("/nothing")
    await http.request("CANARY", f"/x/s/{CODE}")
    await http.get("/healthz")
    metrics = (await http.get("/metrics")).text
    return f"{started.headers['location']}\n{metrics}"


def test_requests_are_counted_by_template_and_the_page_describes_them() -> None:
    _, _, text = served(browse, trace.NoOpTracerProvider()).partition("\n")
    assert ours(exposed(text)) == ours(described("pages"))
    assert CODE not in text
    assert "CANARY" not in text
    line = 'stanine_pages_requests_total{method="GET",route="/s/{code:code}",status="200"} 1.0'
    assert line in text
    assert 'route="",status="404"} 1.0' in text


def test_requests_but_probes_have_a_span_that_names_the_template_only() -> None:
    provider, exporter = recording()
    location, _, _ = served(browse, provider).partition("\n")
    spans = exporter.get_finished_spans()
    assert [(span.name, span.kind) for span in spans] == [
        ("GET /s/{code:code}", SpanKind.SERVER),
        ("POST /s/{code:code}", SpanKind.SERVER),
        ("GET /s/{session:session}/{page:int}", SpanKind.SERVER),
        ("GET", SpanKind.SERVER),
        ("HTTP /s/{code:code}", SpanKind.SERVER),
    ]
    assert dict(spans[1].attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/s/{code:code}",
        "url.scheme": "http",
        "http.response.status_code": 303,
    }
    written = json.dumps([span.to_json() for span in spans])
    for secret in (CODE, "a-query", "CANARY", location.split("/")[3]):
        assert secret not in written


def calling(sampler: Sampler, *, reached: bool = True) -> tuple[list[str], list[ReadableSpan]]:
    """Return the traceparents that a call of the API from a page has, and the spans."""
    provider, exporter = recording(sampler)
    received: list[str] = []

    def api(request: httpx.Request) -> httpx.Response:
        received.append(request.headers.get("traceparent", ""))
        if not reached:
            raise httpx.ConnectError("http://api/secret", request=request)
        return httpx.Response(503)

    metrics = PagesMetrics(make_registry())
    connection = ApiConnection(metrics, provider, transport=httpx.MockTransport(api))

    async def page(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        await connection.get("http://api:8000/v1/invitations/secret?code=secret")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def visit(http: httpx.AsyncClient) -> str:
        await http.get("/secret", headers={"traceparent": CALLER})
        return ""

    served(visit, provider, page)
    return received, list(exporter.get_finished_spans())


@pytest.mark.parametrize("reached", [True, False])
def test_a_call_of_the_api_continues_the_trace_of_the_page(reached: bool) -> None:
    (traceparent,), (call, page) = calling(ALWAYS_ON, reached=reached)
    assert page.parent is not None
    assert call.parent is not None
    assert format(page.parent.span_id, "016x") == CALLER[36:52]
    assert call.parent.span_id == page.context.span_id
    assert traceparent == f"{CALLER[:36]}{call.context.span_id:016x}-01"
    assert (call.name, call.kind) == ("GET", SpanKind.CLIENT)
    assert call.status.status_code is StatusCode.ERROR
    status = {"http.response.status_code": 503} if reached else {}
    assert dict(call.attributes or {}) == status | {
        "http.request.method": "GET",
        "server.address": "api",
        "server.port": 8000,
        "error.type": "503" if reached else "ConnectError",
    }
    assert "secret" not in call.to_json() + page.to_json()


def test_the_api_learns_that_a_trace_is_not_sampled() -> None:
    (traceparent,), spans = calling(ALWAYS_OFF)
    assert spans == []
    assert traceparent.startswith(CALLER[:36])
    assert traceparent.endswith("-00")


def test_calls_of_the_api_are_counted_by_outcome_from_0() -> None:
    metrics = PagesMetrics(make_registry())
    statuses = iter([200, 404, 500, None])

    def api(request: httpx.Request) -> httpx.Response:
        status = next(statuses)
        if status is None:
            raise httpx.ConnectTimeout("", request=request)
        return httpx.Response(status)

    def counts() -> dict[str, float | None]:
        return {
            outcome: metrics.registry.get_sample_value(
                "stanine_pages_api_calls_total", {"outcome": outcome}
            )
            for outcome in CALL_OUTCOMES
        }

    async def run() -> None:
        transport = httpx.MockTransport(api)
        async with ApiConnection(metrics, trace.NoOpTracerProvider(), transport=transport) as http:
            for _ in range(3):
                await http.get("http://api/")
            with pytest.raises(httpx.ConnectTimeout):
                await http.get("http://api/")

    assert counts() == {"answered": 0, "failed": 0, "unreached": 0}
    asyncio.run(run())
    assert counts() == {"answered": 2, "failed": 1, "unreached": 1}
