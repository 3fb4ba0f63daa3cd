"""Every process exposes the metrics that docs/reference/telemetry.md describes, by those names, types and labels, and no others of ours."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from tests.integration.metrics_page import described, exposed, ours
from tests.integration.whole.services import Services, eventually

from stanine.api.web.problems import KINDS

GAD_7 = (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
PROCESSES = ("api", "pages", "index-watcher", "result-watcher")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services after varied activity: valid and invalid requests, a dead letter, a sweep."""
    made = Services(tmp_path_factory.mktemp("measured"))
    try:
        made.start()
        made.start("pages")
        made.await_ready(names=PROCESSES)
        with made.client() as client:
            client.put(
                "/v1/instruments/gad-7?wait=20",
                content=GAD_7,
                headers={"Content-Type": "application/yaml"},
            )
            for n in range(20):
                answers = {
                    "answers": {f"g{item}": 1 for item in range(1, 8)},
                    "participant": f"p-{n}",
                }
                assert (
                    client.post("/v1/instruments/gad-7/attempts?wait=20", json=answers).status_code
                    == 200
                )
                assert client.get(f"/v1/attempts/{'0' * 30}{n:02}").status_code == 404
            assert client.get(f"/v1/nowhere-{'0' * 30}").status_code == 404
            assert client.request("PROPFIND", "/v1/instruments").status_code == 405
            lines = "".join(
                json.dumps({"key": f"k{n}", "answers": {"g1": n}}) + "\n" for n in range(9)
            )
            client.post("/v1/instruments/gad-7/attempts:bulk", content=lines)
        with httpx.Client(base_url=made.address("pages"), timeout=60) as browser:
            for n in range(20):
                assert browser.get(f"/s/{'0' * 30}{n:02}").status_code == 403
            assert browser.request("PROPFIND", "/healthz").status_code == 405
        redis_client = redis.Redis.from_url(made.redis_url)
        for queue in ("index", "results"):
            redis_client.xadd(f"stanine:{{p0}}:q:{queue}:ready", {"h": "nonsense"})
        redis_client.close()
        for name in ("index-watcher", "result-watcher"):
            eventually(
                lambda name=name: (  # type: ignore[misc]
                    "stanine_queue_deaths_total{" in made.health(name, "/metrics").text
                ),
                30,
            )
        eventually(
            lambda: (
                "stanine_sweeps_total 0.0" not in made.health("result-watcher", "/metrics").text
            ),
            30,
        )
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("process", PROCESSES)
def test_exposed_metrics_match_the_page(services: Services, process: str) -> None:
    found, documented = exposed(services.health(process, "/metrics").text), described(process)
    assert ours(found) == ours(documented)
    assert documented.keys() <= found.keys()


def test_every_problem_type_starts_at_zero(services: Services) -> None:
    # Prometheus detects no increase in a counter that starts at 1, so the first error would not alert
    text = services.health("api", "/metrics").text
    assert {kind.code for kind in KINDS} == set(
        re.findall(r'^stanine_http_problems_total{type="([^"]+)"}', text, re.MULTILINE)
    )
    assert 'stanine_http_problems_total{type="internal"} 0.0' in text


@pytest.mark.parametrize("process", PROCESSES)
def test_names_follow_the_convention_and_labels_are_bounded(
    services: Services, process: str
) -> None:
    text = services.health(process, "/metrics").text
    for name, metric in exposed(text).items():
        assert (metric.type == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(milliseconds|ms|kilobytes|kb|mb|percent)(_|$)", name), (
            f"{name}: base units"
        )
    assert all(
        re.search(rf"^# HELP {name.removesuffix('_total')}(_total)? \S", text, re.MULTILINE)
        for name in exposed(text)
    )
    # 60 requests with 20 ids and two with an invalid method were received: none of them is a label
    assert "0" * 30 not in text
    assert "PROPFIND" not in text
    assert "p-1" not in text
    assert sum(1 for line in text.splitlines() if not line.startswith("#")) < 600
