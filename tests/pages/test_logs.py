"""The code of a link, which is in its path, does not reach the log of the pages."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.conftest import free_port

CODE = "Ab3" * 7 + "x"
TOKEN, SESSION = "token-of-a-session-1234", "0f" * 16


def test_codes_and_tokens_are_not_logged_even_when_the_api_is_away(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    away = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "stanine.pages", "--api", away, "--port", str(port)]
    environment = {**os.environ, "STANINE_LOG_LEVEL": "DEBUG"}
    with (
        log.open("wb") as file,
        subprocess.Popen(command, stderr=file, stdout=file, env=environment) as process,
    ):
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
            ) as http:
                for _ in range(300):
                    try:
                        assert http.get("/healthz").is_success
                        break
                    except httpx.TransportError:
                        time.sleep(0.05)
                shown = http.get(f"/s/{CODE}")
                http.cookies.set(f"s_{SESSION}", TOKEN)
                page = http.get(f"/s/{SESSION}/1")
        finally:
            process.terminate()
            status = process.wait(60)
    assert status == 0
    assert (shown.status_code, page.status_code) == (503, 503)
    text = log.read_text()
    assert "pages.ready" in text
    assert CODE not in text
    assert TOKEN not in text
