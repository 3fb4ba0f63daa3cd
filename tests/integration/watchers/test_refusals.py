"""The watchers on a server that rejects writes and answers reads: few log lines, and recovery."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.watchers.test_processes import ready, submit
from tests.integration.whole.invariants import Records
from tests.integration.whole.services import Services, eventually

from stanine.runtime.failure_log import PAUSE_MAX, LoopFailures


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path)
    yield made
    made.stop()


def test_rejected_writes_are_logged_once_by_each_loop_of_a_watcher(services: Services) -> None:
    services.start("valkey", "index-watcher", "result-watcher")
    records = Records(services.redis_url, services.namespace)
    eventually(lambda: ready(services, "index-watcher") and ready(services, "result-watcher"), 30)
    records.client.hset(records.keys.config, "sweepSeconds", 1)
    submit(records, services.redis_url, 1000)
    eventually(lambda: records.sweep.committed() == 1000, 60)
    for name in ("index-watcher", "result-watcher"):
        eventually(lambda name=name: "settings.changed" in services.log(name), 60)  # type: ignore[misc]
    before = {name: len(services.log(name)) for name in ("index-watcher", "result-watcher")}
    records.client.config_set("min-replicas-to-write", 1)
    for name, at in before.items():
        eventually(lambda name=name, at=at: "TooFewReplicas" in services.log(name)[at:], 60)  # type: ignore[misc]
    time.sleep(12)  # many further attempts are refused
    logged = {name: services.log(name)[at:].splitlines() for name, at in before.items()}
    before = {name: len(services.log(name)) for name in before}
    records.client.config_set("min-replicas-to-write", 0)
    for name, lines in logged.items():
        loud = [line for line in lines if '"debug"' not in line]
        assert loud, name
        assert len(loud) <= 6, "\n".join(loud)
        assert all("TooFewReplicas" in line for line in loud), "\n".join(loud)
        assert (
            max(
                Counter(
                    json.dumps(
                        {
                            key: value
                            for key, value in json.loads(line).items()
                            if key != "timestamp"
                        }
                    )
                    for line in loud
                ).values()
            )
            == 1
        )
        assert not any("works" in line for line in loud)
    submit(records, services.redis_url, 1100)
    eventually(lambda: records.sweep.committed() >= 1100, 60)
    eventually(
        lambda: "works again" in services.log("result-watcher")[before["result-watcher"] :], 30
    )


class Log:
    """Records log events."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, event: str, **more: Any) -> None:
        self.lines.append(f"{event} {more['reason']}")

    def error(self, event: str, exc_info: BaseException) -> None:
        self.lines.append(f"{event} {exc_info}")


def test_an_iteration_without_a_write_does_not_end_the_problem() -> None:
    import redis  # noqa: PLC0415

    log, refused = Log(), [True]

    def try_write() -> None:
        if refused[0]:
            raise redis.ResponseError("NOREPLICAS Not enough good replicas to write.")

    failures = LoopFailures(log, try_write)
    pauses = []
    for turn in range(40):
        failure = redis.ResponseError("NOREPLICAS Not enough good replicas to write.")
        pauses.append(failures.failed(failure) if turn % 2 == 0 else failures.succeeded())
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX
    refused[0] = False
    assert [failures.succeeded(), failures.succeeded()] == [0.0, 0.0]
    failures.failed(redis.ConnectionError("Connection refused"))
    failures.failed(ZeroDivisionError("x"))
    failures.failed(ZeroDivisionError("x"))
    failures.succeeded()
    assert log.lines == [
        "loop.redis_error TooFewReplicas", "loop.works_again TooFewReplicas", "loop.redis_error ConnectionRefused", "loop.failed x",
        "loop.works_again loop.failed",
    ]  # fmt: skip
