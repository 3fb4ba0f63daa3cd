"""The state of the whole service: processes, queues, index, sweeps, and a history of fixed size."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.api.filling import NAME, day, open_session
from tests.integration.api.serving import Serving, only, write_keys

from stanine.store import load_library
from stanine.store.processes import SILENT_MS, LoopState, OwnProcess
from stanine.store.throughput import SAMPLE_MS, SAMPLES


@pytest.fixture(scope="module")
def api(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    serving = Serving(valkey.url, f"api-status-{secrets.token_hex(4)}", path)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def status(api: Serving) -> dict[str, Any]:
    answer = api.http(only("operate:read")).get("/v1/status")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_every_process_is_listed_with_its_loops_and_leaves_when_it_is_silent(api: Serving) -> None:
    other = OwnProcess("result-watcher", load_library(), api.keys)
    other.note(api.redis, [LoopState("sweep", 3.5), LoopState("settings", None, "no connection")])
    found = status(api)["processes"]
    assert [each["service"] for each in found] == ["api", "result-watcher"]
    assert found[1]["loops"] == [
        {"name": "sweep", "completedAgo": 3.5},
        {"name": "settings", "completedAgo": None, "failing": "no connection"},
    ]
    began = time.monotonic()
    while not {"sessions", "retention", "index"} <= {
        each["name"] for each in status(api)["processes"][0]["loops"]
    }:
        assert time.monotonic() - began < 20
        time.sleep(0.2)
    client: Any = api.redis
    for name, stored in client.hgetall(api.keys.processes).items():
        if b"result-watcher" in stored:
            record = stored.partition(b" ")[2]
            past = int(time.time() * 1000) - SILENT_MS - 5000
            client.hset(api.keys.processes, name, b"%d %b" % (past, record))
    OwnProcess("index-watcher", load_library(), api.keys).note(api.redis, [])
    assert [each["service"] for each in status(api)["processes"]] == ["api", "index-watcher"]


def test_attempts_results_and_sessions_are_counted(api: Serving) -> None:
    before = status(api)
    done = api.submit(NAME, answers={"calm": 1})
    between = status(api)["now"]
    assert between["attempts"] == before["now"]["attempts"] + 1
    (queue,) = [each for each in between["queues"] if each["queue"] == "results"]
    assert queue["ready"] == 1
    assert queue["oldestSeconds"] >= 0
    api.score(done)
    open_session(api)
    after = status(api)
    assert after["now"]["results"] == before["now"]["results"] + 1
    assert after["sweeps"]["sessions"] == before["sweeps"]["sessions"] + 1
    opened = before["sweeps"]["sessionCounts"].get("opened", 0)
    assert after["sweeps"]["sessionCounts"]["opened"] == opened + 1


def test_an_instrument_that_is_not_served_yet_is_listed(api: Serving) -> None:
    assert status(api)["index"] == {"instruments": 1, "behindCount": 0, "behind": []}
    api.publish(day(title="Later"), build=False)
    behind = status(api)["index"]["behind"]
    assert behind == [{"instrument": NAME, "published": 2, "served": 1}]
    api.publish(day("a-new"), build=False)
    assert {"instrument": "a-new", "published": 1, "served": 0} in status(api)["index"]["behind"]


def test_the_history_is_a_ring_of_fifteen_minutes(api: Serving) -> None:
    client: Any = api.redis
    throughput = api.api._status._throughput

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, api._loop).result(10)

    now = run(throughput.take())
    client.delete(api.keys.throughput)
    for step in range(2 * SAMPLES):
        at = now.at - (2 * SAMPLES - 1 - step) * SAMPLE_MS
        run(throughput.store(type(now)(at, step, step)))
    assert client.hlen(api.keys.throughput) == SAMPLES
    found = [each["attempts"] for each in status(api)["history"]]
    assert found[-5:] == list(range(2 * SAMPLES - 5, 2 * SAMPLES))
    assert SAMPLES - 2 <= len(found) <= SAMPLES
    assert found == sorted(found)
