"""`stanine preview` and `stanine up` serve the pages."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.integration.cli.conftest import running_up

GAD_7 = Path(__file__).parents[2] / "examples/instruments/gad-7.yaml"


def test_a_document_is_previewed_without_a_server() -> None:
    command = [sys.executable, "-m", "stanine.cli.main", "preview", str(GAD_7)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        address = run.stdout.readline().strip()
        try:
            with httpx.Client(follow_redirects=True, trust_env=False) as http:
                welcome = http.get(address)
                assert "Generalized Anxiety" in welcome.text
                assert "nothing is stored" in welcome.text
                questions = http.post(address)
                assert questions.text.count("<fieldset") == 7
        finally:
            os.kill(run.pid, signal.SIGTERM)
            assert run.wait(60) == 0
        # nothing is left that serves it
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, trust_env=False)


def test_a_faulty_document_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "faulty.yaml"
    path.write_text(GAD_7.read_text().replace("text:", "txt:", 1))
    command = [sys.executable, "-m", "stanine.cli.main", "preview", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "spec.items[0]" in run.stderr


def test_up_serves_the_pages_at_the_address_of_the_api(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        url, key = up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]
        with httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False
        ) as http:
            document = GAD_7.read_bytes()
            published = http.put(
                "/v1/instruments/gad-7?wait=20",
                content=document,
                headers={"content-type": "application/yaml"},
            )
            assert published.is_success, published.text
            invited = http.post("/v1/instruments/gad-7/invitations", json={})
            code = invited.json()["code"]
        with httpx.Client(base_url=url, follow_redirects=True, trust_env=False) as person:
            assert "Generalized Anxiety" in person.get(f"/s/{code}").text
            page = person.post(f"/s/{code}")
            assert page.text.count("<fieldset") == 7
            answers = {"i": [f"g{n}" for n in range(1, 8)]} | {f"a.g{n}": "1" for n in range(1, 8)}
            review = person.post(page.url, data=answers)
            assert review.url.path.endswith("/review")
            assert "Thank you" in person.post(review.url).text
            assert 'stanine_pages_requests_total{method="POST"' in person.get("/metrics").text
