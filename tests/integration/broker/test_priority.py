"""Several queues in one Worker.

A queue of higher priority waits for running messages, not for waiting ones.
"""

import threading
from typing import Any

import dramatiq
import dramatiq.worker
import pytest


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ran, in order."""
    monkeypatch.setattr(
        dramatiq.worker, "QUEUE_PREFETCH", 100
    )  # number of messages prefetched in the Worker
    return []


def at_work(broker: Any, run_worker: Any, order: list[str], priority: int) -> Any:
    """Start a Worker with a backlog on `results` (priority 10); return the actor of `index`."""
    begun = threading.Event()

    @dramatiq.actor(
        broker=broker, queue_name="results", batch="ids", batch_max_messages=10, priority=10
    )
    def score(ids: bytes) -> None:
        order.append("results")
        begun.set()
        threading.Event().wait(0.005)

    @dramatiq.actor(broker=broker, queue_name="index", batch="names", priority=priority)
    def build(names: bytes) -> None:
        order.append(f"index {names.decode()}")

    broker.enqueue_many(score.message(ids=b"%08d" % number) for number in range(3000))
    run_worker(broker, threads=1)
    begun.wait(5)
    return build


def test_a_queue_of_higher_priority_does_not_wait_for_a_backlog(
    make_broker: Any, run_worker: Any, wait_until: Any, order: list[str]
) -> None:
    build = at_work(make_broker(), run_worker, order, priority=0)
    sent_at = []
    for number in range(5):
        sent_at.append(len(order))
        build.send(names=b"%d" % number)
        name = f"index {number}"
        wait_until(lambda: name in order)
    assert len(order) < 200, "the backlog was still there"
    waited = [order.index(f"index {number}") - sent for number, sent in enumerate(sent_at)]
    # Messages that ran when it was sent, and those that may have started during the send; never prefetched messages.
    assert max(waited) <= 3


def test_a_queue_of_lower_priority_waits_for_the_backlog(
    make_broker: Any, run_worker: Any, wait_until: Any, order: list[str]
) -> None:
    build = at_work(make_broker(), run_worker, order, priority=20)
    build.send(names=b"1")
    wait_until(lambda: "index 1" in order, 20)
    assert order.index("index 1") > 200
