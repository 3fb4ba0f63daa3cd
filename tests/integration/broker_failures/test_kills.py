"""A process is killed before and after each step in Redis.

Others finish its work without loss or repetition.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.integration.broker_failures import workload
from tests.integration.broker_failures.ledger import DONE, Account, Ledger, account
from tests.integration.failpoints import Step, steps_of

from stanine.broker import StreamsBroker

#: Calls per kind of step at which the process is killed; more with STANINE_FAULT_CALLS.
CALLS = int(os.environ.get("STANINE_FAULT_CALLS", "2"))
#: Concurrent runs, each in its own namespace.
AT_ONCE = 6
#: Runs of one step, one at a time, that a busy machine may need until it is reached: a late worker has no work to release.
TRIES = 5
#: Steps of every worker; without them the suite would test nothing.
WORKER_STEPS = {
    "join",
    "beat",
    "recover",
    "held",
    "start",
    "XREADGROUP",
    "ack",
    "retry",
    "reject",
    "promote",
    "release",
    "leave",
}
PRODUCER_STEPS = {"enqueue", "delay"}

#: The step, whether the process died there, and the account of its messages.
Run = tuple[Step | None, bool, Account]


def run_process(role: str, url: str, namespace: str, directory: Path, step: Step | None) -> int:
    """Run the process to its end; return its exit status."""
    command = [
        sys.executable,
        "-m",
        "tests.integration.broker_failures.doomed_worker",
        role,
        url,
        namespace,
        str(directory),
        str(step or ""),
    ]
    root = Path(__file__).parents[3]
    with (directory / "log").open("wb") as log:
        return subprocess.run(
            command, cwd=root, stdout=log, stderr=log, timeout=60, check=False
        ).returncode


def prepare(url: str, namespace: str, ledger: Ledger) -> StreamsBroker:
    """Enqueue the workload, part of it pending for a dead consumer."""
    broker = StreamsBroker(url, namespace=namespace)
    actors = workload.declare(broker, ledger)
    workload.configure(broker)
    workload.produce(broker, actors)
    workload.leave_orphans(broker)
    return broker


def kill_at_each(kill: Callable[[Step, Path], Run], steps: list[Step], tmp_path: Path) -> list[Run]:
    """Kill a process at each step; repeat the first call of a step until a process reaches it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda step: kill(step, tmp_path), steps))
    for step in [step for step, died, _ in found if step in steps and not died]:
        for attempt in range(TRIES - 1 if step.nth == 1 else 0):
            directory = tmp_path / f"again-{attempt}"
            directory.mkdir(exist_ok=True)
            found.append(kill(step, directory))
            if found[-1][1]:
                break
    return found


def kill_a_worker(url: str, step: Step | None, tmp_path: Path) -> Run:
    """Run the workload with a worker that dies at a step and a successor."""
    directory = tmp_path / str(step or "none").replace(" ", "-")
    directory.mkdir()
    ledger = Ledger(directory)
    namespace = f"{tmp_path.name}-{directory.name}"
    broker = prepare(url, namespace, ledger)
    died = run_process("worker", url, namespace, directory, step) == -signal.SIGKILL
    worker = workload.start_worker(broker)
    workload.await_rest(broker, 60)
    worker.stop(5000)
    workload.assert_at_rest(broker)
    broker.close()
    ledger.close()
    return step, died, account(ledger.lines(), workload.EXPECTED)


def kill_a_producer(url: str, step: Step | None, tmp_path: Path) -> Run:
    """Run a producer that dies at a step, then work its messages.

    All accepted ones must be done.
    """
    directory = tmp_path / f"producer-{step or 'none'}".replace(" ", "-")
    directory.mkdir()
    ledger = Ledger(directory)
    namespace = f"{tmp_path.name}-{directory.name}"
    died = run_process("producer", url, namespace, directory, step) == -signal.SIGKILL
    broker = StreamsBroker(url, namespace=namespace)
    workload.declare(broker, ledger)
    worker = workload.start_worker(broker)
    workload.await_rest(broker, 60)
    worker.stop(5000)
    broker.close()
    ledger.close()
    sent = {key for event, key, _ in ledger.lines() if event == "sent"}
    begun = {key for event, key, _ in ledger.lines() if event == DONE} - sent
    assert len(begun) <= 3, (
        "beyond what was accepted, only the one call whose outcome nobody learned"
    )
    return step, died, account(ledger.lines(), sent | begun)


def calls_of(tmp_path: Path, name: str) -> dict[str, int]:
    calls: dict[str, int] = json.loads((tmp_path / name / "calls.json").read_text())
    return calls


def assert_clean(kind: str, found: list[tuple[Step | None, bool, Account]]) -> None:
    """Report runs with duplicates.

    Assert that nothing was lost and only unsettled work was repeated.
    """
    for step, died, counted in found:
        if counted.duplicates or not died:
            print(f"{kind} killed {step}: {counted}{'' if died else ' (the step was not reached)'}")  # noqa: T201 - reported
    kills = sum(died for _, died, _ in found)
    messages = sum(counted.keys for _, _, counted in found)
    duplicates = sum(counted.duplicates for _, _, counted in found)
    lost = {str(step): counted.lost for step, _, counted in found if counted.lost}
    print(  # noqa: T201
        f"{kind}: {kills} kills, {messages} messages, {sum(map(len, lost.values()))} lost, {duplicates} duplicates"
    )
    assert not lost
    assert not {str(step): counted.again for step, _, counted in found if counted.again}, (
        "settled work ran again"
    )
    assert not {str(step): counted.strange for step, _, counted in found if counted.strange}
    first = {step for step, _, _ in found if step is not None and step.nth == 1}
    assert {step for step in first if (step, True) not in {run[:2] for run in found}} == set()
    assert kills >= 0.8 * len({step for step, _, _ in found})


@pytest.mark.slow
def test_a_worker_killed_at_any_step_loses_nothing_and_repeats_only_unsettled_messages(
    redis_url: str, tmp_path: Path
) -> None:
    calls: dict[str, int] = {}
    for attempt in range(TRIES):
        directory = tmp_path / f"whole-{attempt}"
        directory.mkdir()
        _, _, whole = kill_a_worker(redis_url, None, directory)
        assert whole.duplicates == 0
        calls = calls_of(directory, "none")
        if set(calls) >= WORKER_STEPS:
            break
    assert set(calls) >= WORKER_STEPS
    steps = [step for step in steps_of(calls, CALLS) if step.name in WORKER_STEPS]
    found = kill_at_each(partial(kill_a_worker, redis_url), steps, tmp_path)
    assert_clean("worker", found)


def test_a_producer_killed_at_any_step_has_enqueued_what_was_confirmed(
    redis_url: str, tmp_path: Path
) -> None:
    kill_a_producer(redis_url, None, tmp_path)
    calls = calls_of(tmp_path, "producer-none")
    assert set(calls) >= PRODUCER_STEPS
    steps = [step for step in steps_of(calls, CALLS) if step.name in PRODUCER_STEPS]
    found = kill_at_each(partial(kill_a_producer, redis_url), steps, tmp_path)
    assert_clean("producer", found)
    assert sum(counted.duplicates for _, _, counted in found) == 0
