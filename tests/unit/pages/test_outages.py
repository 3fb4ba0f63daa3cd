"""While the API does not answer, nothing that was entered is lost."""

import asyncio
import html
import re
from typing import Any

import httpx
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.client.errors import ProblemInfo, UnavailableError
from stanine.pages.app import make_pages
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions

GAD_7 = next(path for path in DOCUMENTS if path.stem == "gad-7")


class Unsteady(LocalSessions):
    """Sessions whose methods fail while they are named."""

    failing: frozenset[str] = frozenset()

    async def get(self, session: str, token: str) -> Any:
        if "get" in self.failing:
            raise UnavailableError(ProblemInfo(status=503))
        return await super().get(session, token)

    async def save(self, *arguments: Any, **more: Any) -> Any:
        if "save" in self.failing:
            raise UnavailableError(ProblemInfo(status=503))
        return await super().save(*arguments, **more)


def test_a_form_that_cannot_be_saved_is_offered_again_with_what_was_entered() -> None:
    sessions = Unsteady(entry_of(GAD_7))

    async def run() -> None:
        app = make_pages(PagesSettings(), sessions, no_connections)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            page = (await http.post(f"/s/{CODE}")).headers["location"]
            items = [f"g{n}" for n in range(1, 8)]
            entered = {"i": items, "go": "next"} | {f"a.{item}": "2" for item in items}
            for failing in ("get", "save"):
                sessions.failing = frozenset({failing})
                refused = await http.post(page, data=entered)
                assert refused.status_code == 503
                assert "retry-after" in refused.headers
                fields = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', refused.text)
                again: dict[str, list[str]] = {}
                for name, value in fields:
                    again.setdefault(html.unescape(name), []).append(html.unescape(value))
                assert again == {
                    name: value if isinstance(value, list) else [value]
                    for name, value in entered.items()
                }
                assert re.search(r'<form method="post" action="([^"]*)"', refused.text)[1] == page  # type: ignore[index]
            sessions.failing = frozenset()
            saved = await http.post(page, data=again)
            assert saved.headers["location"].endswith("/review")
            assert (
                (await http.post(saved.headers["location"])).headers["location"].endswith("/done")
            )

    asyncio.run(run())


def test_a_page_that_cannot_be_read_says_so_and_can_be_tried_again() -> None:
    sessions = Unsteady(entry_of(GAD_7))

    async def run() -> None:
        transport = httpx.ASGITransport(make_pages(PagesSettings(), sessions, no_connections))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            page = (await http.post(f"/s/{CODE}")).headers["location"]
            sessions.failing = frozenset({"get"})
            refused = await http.get(page)
            assert refused.status_code == 503
            assert f'<form method="get" action="{page}"' in refused.text

    asyncio.run(run())
