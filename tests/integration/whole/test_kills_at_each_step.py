"""Kill each service before and after each of its Redis calls.

Acknowledged attempts are scored once and correctly.
"""

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.failpoints import Step
from tests.integration.whole.invariants import Records, assert_invariants
from tests.integration.whole.services import Services, eventually

from stanine.domain.instruments.document import read_yaml
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS

GAD_7: Any = read_yaml(
    (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
)
ITEMS = [item["id"] for item in GAD_7["spec"]["items"]]
#: Attempts sent before a process is killed.
ATTEMPTS = 20
#: Minimum lease in milliseconds, so that takeovers are among the steps.
LEASE_MS = 500
#: Seconds within which everything must be scored after the last fault.
HEALED_WITHIN = 20

#: Every step of each service in the path of an attempt.
RESULT_WATCHER = (
    "join",
    "beat",
    "XREADGROUP",
    "pipeline",
    "commit_results",
    "ack",
    "advance",
    "recover",
    "held",
    "start",
)
INDEX_WATCHER = (
    "join",
    "beat",
    "XREADGROUP",
    "put_index",
    "renew_view",
    "ack",
    "recover",
    "held",
    "start",
)
API = ("publish", "submit")


class Client:
    """Publishes and submits until acknowledged, and records it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.sent: dict[str, dict[str, Any]] = {}
        self.acknowledged: dict[str, str] = {}
        self.revisions: list[int] = []
        self.repeated = 0
        self._chance = random.Random(4)

    def publish(self) -> None:
        """Publish a new document with the same form and scoring."""
        document = {**GAD_7, "spec": {**GAD_7["spec"], "title": f"Version {len(self.revisions)}"}}
        answer = self._until(lambda client: client.put("/v1/instruments/gad-7", json=document))
        self.revisions.append(answer.json()["revision"])

    def submit(self, count: int = ATTEMPTS) -> None:
        keys = [f"k{len(self.sent) + n}" for n in range(count)]
        for key in keys:
            self.sent[key] = {item: self._chance.choice([0, 1, 2, 3]) for item in ITEMS}
        body = b"".join(
            json.dumps({"key": key, "answers": self.sent[key]}).encode() + b"\n" for key in keys
        )
        answer = self._until(
            lambda client: client.post("/v1/instruments/gad-7/attempts:bulk", content=body)
        )
        for line in map(json.loads, answer.text.splitlines()):
            assert line["status"] in (200, 202), line
            assert self.acknowledged.setdefault(line["key"], line["attempt"]) == line["attempt"]

    def _until(self, call: Any) -> httpx.Response:
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.services.client(timeout=10) as client:
                    answer: httpx.Response = call(client)
                    if answer.status_code in (200, 201, 202) and all(
                        each.get("status", 0) < 500 for each in _lines(answer)
                    ):
                        return answer
                    assert answer.status_code in (200, 503), answer.text
            except (httpx.HTTPError, json.JSONDecodeError):
                pass
            assert time.monotonic() < deadline
            self.repeated += 1
            time.sleep(0.02)


def _lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [
        line
        for line in map(json.loads, answer.text.splitlines())
        if isinstance(line.get("status"), int)
    ]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(
        tmp_path, server_options=("--appendfsync", "no")
    )  # the server is not killed here
    made.start()
    made.await_ready()
    yield made
    made.stop()


@pytest.fixture
def records(services: Services) -> Records:
    made = Records(services.redis_url, services.namespace)
    for route in (BUILD_INDEX, SCORE_ATTEMPTS):
        made.client.hset(made.broker._queue(route.queue).keys.settings, "lease_ms", LEASE_MS)
    return made


def doom(services: Services, name: str, step: Step) -> None:
    """Start a service that dies at a step."""
    services.launchers[name] = ["tests.integration.whole.doomed_service", str(step)]
    services.start(name)
    del services.launchers[name]


def each_step(names: tuple[str, ...], calls: int = 1) -> list[Step]:
    return [
        Step(name, nth, when)
        for name in names
        for nth in range(1, calls + 1)
        for when in ("before", "after")
    ]


def assert_all_is_well(records: Records, client: Client, kills: int) -> None:
    began = time.monotonic()
    eventually(
        lambda: records.queues_at_rest() and records.unscored() == 0 and records.sweep.committed() == len(client.sent), HEALED_WITHIN,
        lambda: f"{records.unscored()} unscored; {[records.broker.stats(route.queue) for route in (BUILD_INDEX, SCORE_ATTEMPTS)]}",
    )  # fmt: skip
    print(  # noqa: T201 - reported
        f"{kills} kills, {len(client.sent)} attempts, {len(client.revisions)} revisions, {client.repeated} requests sent again, 0 lost, "
        f"healed in {time.monotonic() - began:.1f} s"
    )
    assert_invariants(records, client.sent, client.acknowledged)
    assert set(client.acknowledged) == set(client.sent)
    assert client.revisions == sorted(set(client.revisions)), "I5: revisions only grow"
    records.index.refresh()
    entry = records.index.entries.newest("gad-7")
    assert entry is not None
    assert entry.revision == client.revisions[-1], (
        "the index has the last revision that was acknowledged"
    )


@pytest.mark.slow
def test_a_result_watcher_killed_at_any_step_scores_everything_once(
    services: Services, records: Records
) -> None:
    client = Client(services)
    client.publish()
    client.submit()
    services.kill("result-watcher")
    steps = each_step(RESULT_WATCHER)
    for step in steps:
        client.submit()
        doom(services, "result-watcher", step)
        client.submit()
        assert services.wait("result-watcher") == -signal.SIGKILL, (
            f"{step} was not reached: {services.log('result-watcher')[-2000:]}"
        )
    services.start("result-watcher")
    assert_all_is_well(records, client, len(steps))


@pytest.mark.slow
def test_an_index_watcher_killed_at_any_step_indexes_every_revision(
    services: Services, records: Records
) -> None:
    client = Client(services)
    client.publish()
    client.submit()
    services.kill("index-watcher")
    steps = each_step(INDEX_WATCHER)
    for step in steps:
        client.publish()
        doom(services, "index-watcher", step)
        client.publish()
        client.submit()
        assert services.wait("index-watcher") == -signal.SIGKILL, (
            f"{step} was not reached: {services.log('index-watcher')[-2000:]}"
        )
    services.start("index-watcher")
    assert_all_is_well(records, client, len(steps))


@pytest.mark.slow
def test_an_api_killed_at_any_step_keeps_acknowledged_attempts(
    services: Services, records: Records
) -> None:
    client = Client(services)
    client.publish()
    client.submit()
    services.kill("api")
    steps = each_step(API, calls=2)
    for step in steps:
        doom(services, "api", step)
        sending = threading.Thread(
            target=lambda: [
                act() for act in (client.publish, client.submit, client.publish, client.submit)
            ]
        )
        sending.start()
        assert services.wait("api") == -signal.SIGKILL, (
            f"{step} was not reached: {services.log('api')[-2000:]}"
        )
        services.start("api")
        sending.join(60)
        assert not sending.is_alive()
        services.kill("api")
    services.start("api")
    assert client.repeated >= len(steps)
    assert_all_is_well(records, client, len(steps))
