"""The pages are ready while the API is."""

import asyncio

import httpx
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.app import make_pages
from stanine.pages.preview import no_connections
from stanine.pages.readiness import with_readiness
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import LocalSessions


def ready(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def preparing(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)


def test_readiness_follows_the_api_until_it_was_ready_and_liveness_never() -> None:
    answers = iter([gone, preparing, ready, gone])
    found: list[tuple[int, list[str]]] = []
    reported: list[bool] = []

    def api(request: httpx.Request) -> httpx.Response:
        return next(answers)(request)

    async def run() -> None:
        pages = make_pages(PagesSettings(), LocalSessions(entry_of(DOCUMENTS[0])), no_connections)
        async with (
            httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://api") as probe,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(with_readiness(pages, probe, reported.append)),
                base_url="http://localhost",
            ) as http,
        ):
            for _ in range(4):
                answer = await http.get("/readyz")
                found.append((answer.status_code, answer.json()["reasons"]))
                assert (await http.get("/healthz")).status_code == 200

    asyncio.run(run())
    unreached = "the API cannot be reached (ConnectError)"
    assert found == [
        (503, [unreached]),
        (503, ["the API is not ready (status 503)"]),
        (200, []),
        (200, [unreached]),
    ]
    assert reported == [False, False, True, True]
