"""Survey, result and report in a browser, behind a proxy with TLS and below a base path."""

import shutil
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import Server, need
from tests.integration.api.serving import ADMIN
from tests.pages.instruments import plain
from tests.pages.serving import survey_at
from tests.pages.tls_proxy import tls_proxy

from stanine.domain.client_address import read_networks


def test_pages_work_behind_a_trusted_proxy_with_tls_below_a_base_path(
    browser: Any, valkey: Server, tmp_path: Path
) -> None:
    need("openssl", found=shutil.which("openssl") is not None)
    trusted = read_networks(["127.0.0.1"])
    with (
        survey_at(valkey.url, tmp_path, base_path="/x/y", trusted_proxies=trusted) as survey,
        tls_proxy(f"http://127.0.0.1:{survey.pages.port}", tmp_path) as origin,
    ):
        name = survey.publish(plain("proxied"))
        link = survey.invite(name, show="Participant")
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda one: requests.append(one.url))
        page.goto(f"{origin}/x/y/s/{link.rpartition('/')[2]}")
        page.locator("button.primary").click()
        page.locator("#q-q1").get_by_label("Answer 1").check()
        page.locator("button.primary[name=go]").click()
        page.locator("button.primary[name=go]").click()
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name="Thank you").wait_for()
        session = page.url.split("/s/")[1].split("/")[0]
        (cookie,) = context.cookies()
        assert (cookie["name"], cookie["secure"]) == (f"__Host-s_{session}", True)
        found = survey.api.http(cookie["value"]).get(f"/v1/sessions/{session}").json()
        survey.api.score({"attempt": found["attempt"]})
        page.goto(f"{origin}/x/y/r/{session}")
        assert page.locator("svg").count() == 1
        with page.expect_download() as download:
            page.get_by_role("link", name="Save the figures").click()
        assert download.value.suggested_filename == "result-proxied.csv"
        page.goto(f"{origin}/x/y/console")
        page.locator("#key").fill(ADMIN)
        page.locator("button.primary").click()
        page.get_by_role("link", name="The instrument proxied").click()
        assert "hidden" in page.locator(".notice").inner_text()
        (login,) = [one for one in context.cookies() if one["name"] == "__Host-stanine"]
        assert (login["secure"], login["sameSite"], login["path"]) == (True, "Strict", "/")
        page.locator("form.logout button").click()
        page.locator("#key").wait_for()
        assert all(url.startswith(f"{origin}/x/y/") for url in requests)
        context.close()
        with httpx.Client(trust_env=False) as http:
            plain_http = http.get(
                f"{survey.pages.url}/console/login", headers={"host": "survey.example"}
            )
        assert plain_http.status_code == 403
        assert "https://" in plain_http.text
