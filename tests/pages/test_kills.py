"""Processes that are killed between two pages lose no answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import free_port
from tests.integration.cli.conftest import Up, running_up
from tests.pages.instruments import plain


@contextmanager
def pages_process(api: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the pages as a process of their own."""
    command = [sys.executable, "-m", "stanine.pages", "--api", api, "--port", str(port)]
    with log.open("ab") as file, subprocess.Popen(command, stderr=file) as process:
        try:
            for _ in range(300):
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            process.wait(20)


def kill_api(up: Up) -> None:
    port = up.variables["STANINE_API_URL"].rsplit(":", 1)[1]
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    (pid,) = [
        int(line.split()[0])
        for line in listed.stdout.splitlines()
        if "stanine.combined" in line and f"--port {port}" in line
    ]
    os.kill(pid, signal.SIGKILL)


def test_the_api_and_the_pages_are_killed_between_two_pages(browser: Any, tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        api, key = up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=api, headers=headers, trust_env=False, timeout=30) as http:
            put = http.put("/v1/instruments/lasting?wait=20", json=plain("lasting"))
            assert put.is_success, put.text
            code = http.post("/v1/instruments/lasting/invitations", json={}).json()["code"]
        port, log = free_port(), tmp_path / "pages.log"
        page = browser.new_page()
        with pages_process(api, port, log) as pages:
            page.goto(f"http://127.0.0.1:{port}/s/{code}")
            page.locator("button.primary").click()
            page.wait_for_load_state()
            page.locator("#q-q1").get_by_label("Answer 1").check()
            page.get_by_role("status").get_by_text("Saved").wait_for()
            pages.kill()
            kill_api(up)
            page.locator("#q-q2").get_by_label("Answer 2").check()
            page.get_by_role("status").get_by_text("No connection").wait_for()
            page.locator("button.primary[name=go]").click()
            assert page.url.endswith("/1"), "the page is kept"
        with pages_process(api, port, log):
            page.get_by_role("status").get_by_text("Saved").wait_for()
            page.locator("button.primary[name=go]").click()
            page.wait_for_url("**/2")
            page.wait_for_load_state()
            page.locator("#q-q3").get_by_label("Answer 3").check()
            kill_api(up)
            page.locator("button.primary[name=go]").click()
            page.get_by_role("button", name="Submit").click()
            page.get_by_role("heading", name="Thank you").wait_for()
            token = page.context.cookies()[0]["value"]
            session = page.url.split("/s/")[1].split("/")[0]
        with httpx.Client(base_url=api, trust_env=False) as http:
            own = {"authorization": f"Bearer {token}"}
            attempt = http.get(f"/v1/sessions/{session}", headers=own).json()["attempt"]
            stored = http.get(f"/v1/attempts/{attempt}", headers=headers).json()["answers"]
        page.close()
    assert stored == {"q1": 1, "q2": 2, "q3": 3, "q4": None}
