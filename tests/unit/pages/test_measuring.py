"""The pages' metrics name templates of addresses, never codes or sessions."""

import asyncio

import httpx
from tests.integration.metrics_page import described, exposed, ours
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.app import make_pages
from stanine.pages.measuring import measured
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions
from stanine.telemetry.metrics import make_registry
from stanine.telemetry.pages_metrics import PagesMetrics


def test_requests_are_counted_by_template_and_the_page_describes_them() -> None:
    pages = make_pages(PagesSettings(), LocalSessions(entry_of(DOCUMENTS[0])), no_connections)
    app = measured(pages, PagesMetrics(make_registry()))

    async def run() -> str:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as http:
            await http.get(f"/s/{CODE}")
            started = await http.post(f"/s/{CODE}")
            await http.get(started.headers["location"])
            await http.get("/nothing")
            return (await http.get("/metrics")).text

    text = asyncio.run(run())
    assert ours(exposed(text)) == ours(described("pages"))
    assert CODE not in text
    line = 'stanine_pages_requests_total{method="GET",route="/s/{code:code}",status="200"} 1.0'
    assert line in text
    assert 'route="",status="404"} 1.0' in text
