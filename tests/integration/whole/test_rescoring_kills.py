"""Kill the resultWatcher before and after its Redis calls during a re-scoring, and compare with the offline scoring.

Each attempt ends with exactly one current result, that of the newest scoring, and exactly one earlier one.
"""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.failpoints import Step
from tests.integration.watchers.assessing import GAD_7, GAD_7_DOUBLED
from tests.integration.whole.invariants import Records
from tests.integration.whole.services import Services, eventually

from stanine.domain.scoring.result import decode_result
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS
from stanine.result_watcher.rescorer import STEP_ENTRIES
from stanine.store.audit import Auditor
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import BLOCK_SIZE
from stanine.store.result_history import read_history

ITEMS = [item["id"] for item in GAD_7["spec"]["items"]]
ATTEMPTS = 6 * STEP_ENTRIES + 100
LEASE_MS = 500
#: In this order the run advances by one step at a time, and dies at every point of a step.
STEPS = [
    Step(name, nth, when)
    for name, nth, when in (
        ("list_results", 1, "before"), ("list_results", 1, "after"), ("commit_rescored", 1, "before"),
        ("commit_rescored", 1, "after"), ("list_results", 2, "after"), ("commit_rescored", 2, "before"),
        ("commit_rescored", 1, "after"),
    )
]  # fmt: skip


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path, server_options=("--appendfsync", "no"))
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


def submit(client: httpx.Client) -> dict[str, dict[str, int]]:
    """Submit attempts, a third with a participant; return the answers by attempt."""
    chance = random.Random(7)
    answers = [{item: chance.choice([0, 1, 2, 3]) for item in ITEMS} for _ in range(ATTEMPTS)]
    lines = [
        {"key": f"k{n}", "answers": each} | ({"participant": f"p{n % 50}"} if n % 3 == 0 else {})
        for n, each in enumerate(answers)
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = client.post("/v1/instruments/gad-7/attempts:bulk", content=body)
    found = [json.loads(line) for line in answer.text.splitlines()]
    return {
        line["attempt"]: answers[int(line["key"][1:])] for line in found if line["status"] == 202
    }


def publish(client: httpx.Client, document: Any) -> None:
    answer = client.put("/v1/instruments/gad-7?wait=20", json=document)
    assert answer.json()["indexed"], answer.text


@pytest.mark.slow
def test_a_rescoring_survives_kills_at_each_step(services: Services, records: Records) -> None:
    with services.client() as client:
        publish(client, GAD_7)
        sent = submit(client)
        assert len(sent) == ATTEMPTS
        eventually(lambda: records.sweep.committed() == ATTEMPTS, 60)
        publish(client, GAD_7_DOUBLED)
        services.kill("result-watcher")
        begun = client.post("/v1/instruments/gad-7:rescore", json={"token": "t"})
        assert begun.status_code == 202, begun.text
        positions = []
        for step in STEPS:
            services.launchers["result-watcher"] = [
                "tests.integration.whole.doomed_service",
                str(step),
            ]
            services.start("result-watcher")
            assert services.wait("result-watcher") == -signal.SIGKILL, (
                f"{step} was not reached: {services.log('result-watcher')[-2000:]}"
            )
            positions.append(client.get("/v1/instruments/gad-7/rescoring").json()["done"])
        del services.launchers["result-watcher"]
        assert positions[2:5] == [0, STEP_ENTRIES, 2 * STEP_ENTRIES]
        services.start("result-watcher")

        def state() -> Any:
            return client.get("/v1/instruments/gad-7/rescoring").json()

        eventually(lambda: state()["state"] == "Completed", 60, lambda: str(state()))
        report = state()["report"]
        assert (report["attempts"], report["changed"]) == (ATTEMPTS, ATTEMPTS)
        eventually(records.queues_at_rest, 20)

    records.index.refresh()
    entry = records.index.entries.newest("gad-7")
    assert entry is not None
    results = records.results()
    assert len(results) == ATTEMPTS == records.sweep.committed()
    for text, answers in sent.items():
        arrival = int(text[-10:], 16)
        result = results[arrival]
        scales = decode_result(result.body, entry).scales
        assert result.scoring_revision == 2
        assert scales["anxiety"].raw == 2 * sum(answers.values())
        block, slot = divmod(arrival, BLOCK_SIZE)
        history = read_history(records.client.hget(records.keys.history(block), slot))
        assert [each.result.scoring_revision for each in history.earlier] == [1]
    instruments = InstrumentHistory(records.client, records.keys)
    audit = Auditor(records.client, instruments, records.sweep, records.keys).audit()
    assert audit.is_sound
    assert audit.equal == ATTEMPTS
