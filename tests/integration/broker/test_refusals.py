"""The server answers reads and rejects writes.

Every loop logs it once with the reason, backs off, and recovers.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import pytest

#: Cause of rejected writes -> reason of the problem.
REFUSALS = {"replicas": "TooFewReplicas", "disk": "DiskFailed"}


def refuse(client: Any, how: str, tmp_path: Path) -> Callable[[], None]:
    """Make a server reject writes; return a function that restores it."""
    if how == "replicas":
        client.config_set("min-replicas-to-write", 1)
        return lambda: client.config_set("min-replicas-to-write", 0)
    directory = tmp_path / "gone"
    directory.mkdir()
    before = client.config_get("dir")["dir"]
    client.config_set("save", "3600 1")
    client.config_set("dir", str(directory))
    directory.rmdir()
    client.bgsave()
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        time.sleep(0.02)

    def mend() -> None:
        directory.mkdir()
        client.config_set("dir", before)
        client.config_set("stop-writes-on-bgsave-error", "no")

    return mend


@pytest.mark.parametrize("how", REFUSALS)
def test_each_loop_logs_rejected_writes_once_and_their_end_once(
    own_server: Any,
    make_broker: Any,
    run_worker: Any,
    wait_until: Any,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    how: str,
) -> None:
    broker = make_broker(own_server("--enable-protected-configs", "yes").url)
    runs: Counter[int] = Counter()
    restore: list[Callable[[], None]] = []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        runs[number] += 1
        if number == 1:
            restore.append(refuse(broker.client, how, tmp_path))

    @dramatiq.actor(broker=broker, queue_name="limited")
    def limited() -> None: ...

    broker.client.hset(broker._queue("limited").keys.settings, "rate_messages", 1000)
    run_worker(broker)
    wait_until(lambda: broker.stats("limited").consumers == 1)
    with caplog.at_level(logging.INFO):
        work.send(1)  # its acknowledgement is rejected, too
        wait_until(lambda: restore, 20)
        time.sleep(3)
        calls = int(broker.client.info("commandstats")["cmdstat_xreadgroup"]["calls"])
        time.sleep(4)
        calls = int(broker.client.info("commandstats")["cmdstat_xreadgroup"]["calls"]) - calls
        during = [
            record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
        ]
        restore[0]()
        wait_until(lambda: broker.stats("default").in_flight == 0, 20)
        work.send(2)
        wait_until(lambda: runs[2] == 1, 20)
        broker.join("default", timeout=5000)
        wait_until(
            lambda: sum("works again" in record.getMessage() for record in caplog.records) >= 4, 10
        )
    assert not [line for line in during if "works again" in line]
    assert Counter(during) == Counter(dict.fromkeys(during, 1)), (
        "one line for each loop: two readers, the keeper, and settling"
    )
    assert len(during) == 4
    assert all(REFUSALS[how] in line for line in during)
    assert calls <= 4 * 4, "at most one attempt per second and reader"
    assert sum("works again" in record.getMessage() for record in caplog.records) == 4
    assert runs == Counter({1: 1, 2: 1})


@pytest.mark.parametrize("fault", ["type", "permission"])
def test_a_permanent_problem_is_logged_once_and_retried(
    own_server: Any,
    make_broker: Any,
    run_worker: Any,
    wait_until: Any,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    broker = make_broker(own_server().url)
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def work() -> None:
        seen.append(1)

    client = broker.client
    if fault == "type":
        client.set(broker.ready_key("default"), "mine")
    else:
        client.acl_setuser(
            "default", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-xreadgroup"]
        )
    with caplog.at_level(logging.INFO):
        run_worker(broker)
        wait_until(lambda: any(each.levelno >= logging.WARNING for each in caplog.records))
        time.sleep(8)  # many further attempts are refused
        lines = [
            record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
        ]
        if fault == "type":
            client.delete(broker.ready_key("default"))
        else:
            client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], commands=["+@all"])
        work.send()
        wait_until(lambda: seen, 30)
    assert 1 <= len(lines) <= 2, lines
    assert all(
        {"type": "WrongType", "permission": "PermissionMissing"}[fault] in line for line in lines
    )
