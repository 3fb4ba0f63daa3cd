"""The API and the pages in one process, on one port: `python -m stanine.combined`. Run by `stanine up`.

The first segment of a path decides; requests of the API pay one comparison. The pages call the API in this process, but
only as every client does.
"""

from typing import Any

import httpx
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from stanine.api.main import Asgi
from stanine.api.main import main as run_api
from stanine.client import AsyncStanine
from stanine.pages.api_connection import ApiConnection
from stanine.pages.app import make_pages
from stanine.pages.console.sources import ApiOrganisations
from stanine.pages.observing import observed
from stanine.pages.result.sources import ApiResults
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.sources import ApiSessions
from stanine.telemetry.pages_metrics import PagesMetrics

#: First segments of the paths of pages.
_SEGMENTS = frozenset({"s", "r", "console", "assets"})


def surround(api: Asgi, registry: CollectorRegistry, provider: TracerProvider) -> Asgi:
    """Return an application of the API and the pages, whose metrics are in one registry.

    Their spans are those of one service.
    """
    # The address is never resolved: the transport calls the application.
    metrics = PagesMetrics(registry)
    connection = ApiConnection(metrics, provider, transport=httpx.ASGITransport(api))
    client = AsyncStanine("http://localhost", http_client=connection)
    pages = observed(
        make_pages(
            PagesSettings(),
            ApiSessions(client),
            connection.aclose,
            results=ApiResults(client),
            organisations=ApiOrganisations(client),
        ),
        metrics,
        provider,
    )

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        is_page = scope["type"] == "http" and scope["path"].split("/", 2)[1] in _SEGMENTS
        await (pages if is_page else api)(scope, receive, send)

    return serve


if __name__ == "__main__":
    raise SystemExit(run_api(surround=surround))
