"""Every page of every example, in each of its languages, over the application in this process."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.app import make_pages
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions


def visit(source: Any, settings: PagesSettings, walk: Any) -> None:
    """Run a walk with an HTTP client of the pages."""

    async def run() -> None:
        transport = httpx.ASGITransport(make_pages(settings, source, no_connections))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            await walk(http)

    asyncio.run(run())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_page_of_an_instrument_is_shown(path: Path) -> None:
    entry = entry_of(path)
    languages = [None, *entry.translations]

    async def walk(http: httpx.AsyncClient) -> None:
        for language in languages:
            welcome = await http.get(
                f"/s/{CODE}", params={"language": language} if language else {}
            )
            assert welcome.status_code == 200
            started = await http.post(f"/s/{CODE}", data={"language": language} if language else {})
            first = started.headers["location"]
            items: set[str] = set()
            for number in range(1, len(entry.items) + 2):
                page = await http.get(f"{first.rpartition('/')[0]}/{number}")
                if page.status_code == 200:
                    items |= {item.id for item in entry.items if f'id="q-{item.id}"' in page.text}
                else:
                    assert page.status_code == 303
            always = {item.id for item in entry.items if not item.conditions}
            assert always <= items
            assert (await http.get(f"{first.rpartition('/')[0]}/review")).status_code == 200

    visit(LocalSessions(entry), PagesSettings(), walk)


def test_a_defect_shows_a_page_and_no_traceback() -> None:
    class Broken(LocalSessions):
        async def preview(self, code: str, language: str | None, accepts: str) -> Any:
            raise RuntimeError("secret")

    async def run() -> None:
        app = make_pages(PagesSettings(), Broken(entry_of(DOCUMENTS[0])), no_connections)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            page = await http.get(f"/s/{CODE}")
        assert page.status_code == 500
        assert "Something went wrong" in page.text
        assert "secret" not in page.text

    asyncio.run(run())


def test_the_headers_of_a_page_forbid_what_it_does_not_need() -> None:
    async def walk(http: httpx.AsyncClient) -> None:
        page = await http.get(f"/s/{CODE}")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        asset = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        kept = await http.get(asset)
        assert "immutable" in kept.headers["cache-control"]
        other = await http.get(asset.replace(asset.split("/")[2], "0" * 12))
        assert other.headers["cache-control"] == "no-cache"
        assert (await http.get(asset.replace("pages.css", "none.css"))).status_code == 404
        assert (await http.get("/healthz")).status_code == 200

    visit(LocalSessions(entry_of(DOCUMENTS[0])), PagesSettings(), walk)
