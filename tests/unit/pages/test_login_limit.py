"""Logins at the page are limited by the address of the browser, and the key is not tried above the limit."""

import asyncio
from typing import Any

import httpx
import pytest
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.client.errors import ProblemInfo, RateLimitedError, UnauthenticatedError
from stanine.domain.client_address import read_networks
from stanine.domain.login_limit import WINDOW_SECONDS
from stanine.pages.app import make_pages
from stanine.pages.console.login_routes import MAX_FAILED_OF_ADDRESS
from stanine.pages.preview import no_connections
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import LocalSessions


class Organisations:
    """Accepts one key; counts what is tried."""

    def __init__(self) -> None:
        self.tried = 0

    async def begin(self, key: str) -> str:
        self.tried += 1
        if key == "busy":
            raise RateLimitedError(ProblemInfo(status=429), 7.2)
        if key != "right":
            raise UnauthenticatedError(ProblemInfo(status=401))
        return "login-token"


def test_an_address_with_too_many_failed_logins_waits_and_others_do_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    source: Any = Organisations()
    settings = PagesSettings(trusted_proxies=read_networks(["10.0.0.0/8"]))

    async def run() -> None:
        app = make_pages(
            settings, LocalSessions(entry_of(DOCUMENTS[0])), no_connections, organisations=source
        )
        transport = httpx.ASGITransport(app, client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://pages") as http:

            async def log_in(key: str, address: str = "198.51.100.7") -> httpx.Response:
                headers = {"x-forwarded-for": f"1.2.3.4, {address}", "x-forwarded-proto": "https"}
                return await http.post("/console/login", data={"key": key}, headers=headers)

            for _ in range(2 * MAX_FAILED_OF_ADDRESS):
                assert (await log_in("right")).status_code == 303
            wrong = await asyncio.gather(
                *(log_in("wrong") for _ in range(2 * MAX_FAILED_OF_ADDRESS))
            )
            codes = [each.status_code for each in wrong]
            assert codes == [422] * MAX_FAILED_OF_ADDRESS + [429] * MAX_FAILED_OF_ADDRESS
            tried = source.tried
            refused = await log_in("right")
            assert refused.status_code == 429
            assert 0 < int(refused.headers["retry-after"]) <= WINDOW_SECONDS
            assert "Too many logins" in refused.text
            assert source.tried == tried, "a key that is not tried cannot be guessed"
            assert (await log_in("right", "198.51.100.8")).status_code == 303
            busy = await log_in("busy", "198.51.100.9")
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "8")

    asyncio.run(run())
    written = capfd.readouterr()
    assert "198.51.100" not in written.out + written.err
