"""The API without Redis, or with a full or unprepared one.

It answers in time and acknowledges only stored data.
"""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Server, free_port, stop_server
from tests.integration.api.serving import Serving, document, problem

ATTEMPTS = "/v1/instruments/a-mood/attempts"
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def own(own_server: Callable[..., Server], keys_file: Path) -> Iterator[tuple[Server, Serving]]:
    """An API with `a-mood` on a separate server."""
    server = own_server()
    serving = Serving(server.url, "own", keys_file)
    try:
        serving.until_ready().publish(document())
        yield server, serving
    finally:
        serving.stop()


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def every_call(api: Serving, attempt: str) -> list[Callable[[], httpx.Response]]:
    http = api.http()
    return [
        lambda: http.post(ATTEMPTS, json={"answers": {"i1": 1}}),
        lambda: http.put("/v1/instruments/a-mood", json=document(title="New")),
        lambda: http.get("/v1/instruments"),
        lambda: http.get("/v1/instruments/a-mood"),
        lambda: http.get(f"/v1/attempts/{attempt}/result"),
        lambda: http.get("/v1/instruments/a-mood/results"),
        lambda: http.get("/v1/participants/p/results"),
        lambda: http.get("/v1/queues"),
        lambda: http.post("/v1/queues/results:pause"),
    ]


def until_status(api: Serving, address: str, status: int, seconds: float = 30) -> dict[str, Any]:
    began = time.monotonic()
    while (answer := api.http().get(address)).status_code != status:
        assert time.monotonic() - began < seconds, answer.text
        time.sleep(0.05)
    body: dict[str, Any] = answer.json()
    return body


def test_without_redis_every_call_fails_in_time_and_recovers_afterwards(
    own: tuple[Server, Serving], own_server: Callable[..., Server]
) -> None:
    server, api = own
    receipt = api.submit(key="k", answers={"i1": 1})
    stop_server(server, signal.SIGKILL)
    for call in every_call(api, receipt["attempt"]):
        answer, seconds = timed(call)
        problem(answer, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert seconds < 30
    lines = api.http().post(
        ATTEMPTS + ":bulk", content=b'{"key":"a","answers":{"i1":1}}\n' * 1200, headers=NDJSON
    )
    assert {json.loads(line)["status"] for line in lines.text.splitlines()} == {503}
    assert len(lines.text.splitlines()) == 1200
    assert "ConnectionRefused" in until_status(api, "/readyz", 503)["reasons"][0]
    assert (
        api.http().get("/healthz").status_code == 200
    )  # its loops still run: a restart would not help
    own_server(directory=server.directory, port=server.port)
    until_status(api, "/readyz", 200)
    assert api.submit(key="k", answers={"i1": 1}) == receipt | {"repeated": True}
    assert api.http().get("/v1/instruments/a-mood").status_code == 200


def test_an_unresponsive_redis_times_out(own: tuple[Server, Serving]) -> None:
    server, api = own
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        for call in every_call(api, "0" * 32)[:1]:
            answer, seconds = timed(call)
            problem(answer, "unavailable")
            assert seconds < 30
    finally:
        server.process.send_signal(signal.SIGCONT)
    until_status(api, "/readyz", 200, 30)
    api.submit(answers={"i1": 1})


def test_a_nearly_full_redis_rejects_new_work_and_still_serves_reads(
    own: tuple[Server, Serving],
) -> None:
    _, api = own
    receipt = api.submit(key="before", answers={"i1": 1})
    used = int(api.redis.info("memory")["used_memory"])
    api.redis.config_set("maxmemory", int(used / 0.93))
    until(lambda: refuses_new_work(api))
    for answer in (
        api.http().post(ATTEMPTS, json={"answers": {"i1": 1}}),
        api.http().post(ATTEMPTS + ":bulk", content=b"", headers=NDJSON),
        api.http().put("/v1/instruments/a-new", json=document("a-new")),
    ):
        problem(answer, "full")
        assert answer.headers["retry-after"] == "30"
    api.score(receipt)  # accepted attempts are processed
    assert api.http().get(f"/v1/attempts/{receipt['attempt']}/result").json()["state"] == "Scored"
    api.redis.config_set("maxmemory", 0)
    until(lambda: not refuses_new_work(api))
    api.submit(answers={"i1": 1})


def refuses_new_work(api: Serving) -> bool:
    return "stanine_refuses_new_work 1.0" in api.http().get("/metrics").text


def test_a_full_redis_rejects_new_work_before_the_api_has_detected_it(
    own: tuple[Server, Serving],
) -> None:
    _, api = own
    api.redis.config_set("maxmemory", 1)
    answer = api.http().post(ATTEMPTS, json={"answers": {"i1": 1}})
    api.redis.config_set("maxmemory", 0)
    problem(answer, "full")


def break_disk(server: Server, client: Any) -> Callable[[], None]:
    """Make saving fail on the server; return a function that restores it."""
    in_the_way = server.directory / "dump.rdb"
    in_the_way.unlink(missing_ok=True)
    (in_the_way / "x").mkdir(parents=True)
    client.config_set("save", "3600 1000000")
    save(client, "err")

    def mend() -> None:
        shutil.rmtree(in_the_way)
        save(client, "ok")

    return mend


def save(client: Any, status: str) -> None:
    client.bgsave()
    began = time.monotonic()
    while (found := client.info("persistence"))["rdb_last_bgsave_status"] != status or found[
        "rdb_bgsave_in_progress"
    ]:
        assert time.monotonic() - began < 30
        time.sleep(0.05)


def make_replica(_server: Server, client: Any) -> Callable[[], None]:
    client.replicaof("127.0.0.1", free_port())
    return lambda: client.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("refuse_writes", "reason"), [(break_disk, "DiskFailed"), (make_replica, "ReadOnly")]
)
def test_a_server_that_refuses_writes_is_reported_and_still_read(
    own: tuple[Server, Serving],
    refuse_writes: Callable[[Server, Any], Callable[[], None]],
    reason: str,
) -> None:
    server, api = own
    receipt = api.submit(key="before", answers={"i1": 1})
    assert api.http().get("/readyz").json() == {"ok": True, "reasons": []}
    mend = refuse_writes(server, api.redis)
    for answer in (
        api.http().post(ATTEMPTS, json={"answers": {"i1": 1}}),
        api.http().put("/v1/instruments/a-mood", json=document(title="New")),
        api.http().post("/v1/queues/results:pause"),
    ):
        assert reason in problem(answer, "unavailable")["detail"]
    lines = api.http().post(
        ATTEMPTS + ":bulk", content=b'{"key":"a","answers":{"i1":1}}\n', headers=NDJSON
    )
    assert reason in json.loads(lines.text)["problem"]["detail"]
    assert api.http().get(f"/v1/attempts/{receipt['attempt']}").status_code == 200
    until(lambda: any(reason in each for each in api.http().get("/readyz").json()["reasons"]))
    assert api.http().get("/readyz").status_code == 200, (
        "it is still read, and says why it does not write"
    )
    mend()
    api.submit(key="after", answers={"i1": 1})
    until(lambda: api.http().get("/readyz").json() == {"ok": True, "reasons": []})


def until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30
        time.sleep(0.05)


def test_nothing_is_served_before_the_bootstrap_is_done(
    own_server: Callable[..., Server], keys_file: Path
) -> None:
    port = free_port()
    api = Serving(f"redis://127.0.0.1:{port}/0", "late", keys_file)
    try:
        assert until_status(api, "/healthz", 200)["ok"]
        problem(api.http().get("/v1/instruments"), "not-ready")
        assert "bootstrap" in until_status(api, "/readyz", 503)["reasons"][0]
        own_server(port=port)
        until_status(api, "/readyz", 200, 20)
        assert api.http().get("/v1/instruments").json() == {"items": [], "next": None}
    finally:
        api.stop()


def test_settings_are_followed_without_a_restart(mood: Serving) -> None:
    mood.redis.hset(mood.keys.config, "durability", "Fsync")
    mood.redis.hset(mood.keys.config, "admissionPercent", "not a number")

    def waits_now() -> bool:
        waits = waits_for_disk(mood)
        mood.submit(answers={"i1": 1})
        return waits_for_disk(mood) == waits + 1

    until(waits_now)


def waits_for_disk(api: Serving) -> int:
    stats: Any = api.redis.info("commandstats")
    return int(stats.get("cmdstat_waitaof", {"calls": 0})["calls"])
