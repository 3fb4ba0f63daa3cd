"""Dead letters are listed, read, requeued and deleted; each request is executed once."""

import threading
from typing import Any

import dramatiq
import pytest

from stanine.broker import RequestConflict
from stanine.broker.library import call_function


def dead_letter(
    broker: Any, count: int, *, reason: str = "ValueError", actor: str = "work"
) -> None:
    """Add dead letters in the broker's format."""
    keys = broker._queue("default").keys
    for number in range(count):
        head = dramatiq.Message("default", actor, (number,), {}, {}).encode()
        broker.client.xadd(
            keys.dead,
            {
                "reason": reason,
                "actor": actor,
                "queue": "default",
                "deliveries": 4,
                "created": 1,
                "died": 2,
                "h": head,
            },
        )


@pytest.fixture
def broker(make_broker: Any) -> Any:
    return make_broker()


def test_a_dead_letter_has_a_reason_and_runs_again_when_requeued(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
    seen: list[int] = []

    @dramatiq.actor(broker=broker, max_retries=0)
    def work(number: int) -> None:
        seen.append(number)
        if len(seen) == 1:
            raise KeyError("secret")

    run_worker(broker)
    work.send(7)
    wait_until(lambda: broker.stats("default").dead == 1)
    (letter,) = broker.dead_letters("default")
    assert (letter.reason, letter.actor, letter.queue, letter.deliveries, letter.ids) == (
        "KeyError",
        "work",
        "default",
        1,
        b"",
    )
    assert dramatiq.Message.decode(letter.head).args == (7,)
    assert b"secret" not in letter.head
    assert broker.dead_letter("default", letter.id) == letter
    assert broker.dead_letter("default", "1-1") is None
    assert broker.stats("default").deaths == {"KeyError": 1}
    assert broker.requeue_dead("default", [letter.id, letter.id, "1-1"]) == 1
    broker.join("default", timeout=3000)
    assert seen == [7, 7]
    assert (broker.stats("default").dead, broker.stats("default").deaths) == (0, {"KeyError": 1})


def test_dead_letters_are_paginated_and_filtered_by_reason(broker: Any) -> None:
    for _ in range(3):
        dead_letter(broker, 2)
        dead_letter(broker, 1, reason="KeyError", actor="other")
    first = broker.dead_letters("default", limit=4)
    rest = broker.dead_letters("default", after=first[-1].id)
    assert (len(first), len(rest)) == (4, 5)
    assert sorted(letter.id for letter in [*first, *rest]) == [
        letter.id for letter in [*first, *rest]
    ]
    assert len(broker.dead_letters("default", reason="KeyError")) == 3
    assert len(broker.dead_letters("default", actor="work", limit=5)) == 5
    assert broker.dead_letters("default", reason="KeyError", actor="work") == []
    assert broker.delete_dead("default", [first[0].id, "1-1"]) == 1
    assert broker.delete_dead("default", []) == 0


def test_the_same_token_never_acts_twice(broker: Any) -> None:
    dead_letter(broker, 2500)
    dead_letter(broker, 3, reason="KeyError")
    done = broker.carry_out("default", "requeue dead", reason="ValueError", token="t-1")
    assert (done.count, done.repeated) == (2500, False)
    assert (broker.stats("default").ready, broker.stats("default").dead) == (2500, 3)
    dead_letter(broker, 5)
    for _ in range(2):
        again = broker.carry_out("default", "requeue dead", reason="ValueError", token="t-1")
        assert (again.count, again.repeated) == (2500, True)
    assert broker.stats("default").dead == 8
    for other in ({"reason": "KeyError"}, {"reason": "ValueError", "actor": "x"}):
        with pytest.raises(RequestConflict):
            broker.requeue_all_dead("default", token="t-1", **other)
    with pytest.raises(RequestConflict):
        broker.purge("default", "ready", token="t-1")
    assert broker.purge("default", "dead", reason="KeyError") == 3
    assert broker.purge("default", "dead") == 5
    assert broker.client.hlen("test:{t}:q:default:requests") == 1, (
        "requests without a token of their own are not kept"
    )


def test_an_interrupted_request_continues_and_skips_later_messages(broker: Any) -> None:
    dead_letter(broker, 1500)
    queue = broker._queue("default")
    keys = [queue.keys.ready, queue.keys.delayed, queue.keys.dead]
    assert call_function(
        broker.client, "requeue", keys, ("t", "requeue dead", "workers", 1000, "", "")
    ) == [0, 1000, 1]
    dead_letter(broker, 4)
    done = broker.carry_out("default", "requeue dead", token="t")
    assert (done.count, done.repeated) == (1500, True)
    assert (broker.stats("default").ready, broker.stats("default").dead) == (1500, 4)


def test_an_interrupted_or_repeated_purge_skips_later_messages(broker: Any) -> None:
    def send(count: int, **options: Any) -> None:
        broker.enqueue_many(
            (dramatiq.Message("default", "work", (), {}, {}) for _ in range(count)), **options
        )

    send(1500)
    queue = broker._queue("default")
    keys = [queue.keys.ready, queue.keys.delayed, queue.keys.dead]
    assert call_function(
        broker.client, "purge", keys, ("r", "purge ready", "workers", 1000, "", "")
    ) == [0, 1000, 1]
    send(4)
    assert broker.purge("default", "ready", token="r") == 1500
    assert broker.stats("default").ready == 4
    send(3, delay=60_000)
    assert broker.purge("default", "delayed", token="d") == 3
    send(2, delay=60_000)
    assert broker.purge("default", "delayed", token="d") == 3
    assert broker.stats("default").delayed == 2


def test_concurrent_callers_execute_a_request_once(broker: Any, make_broker: Any) -> None:
    dead_letter(broker, 3000)
    counts: list[int] = []
    callers = [
        threading.Thread(
            target=lambda: counts.append(make_broker().requeue_all_dead("default", token="t"))
        )
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert counts == [3000] * 4
    assert broker.stats("default").ready == 3000


def test_purging_ready_messages_keeps_those_in_flight(
    broker: Any, run_worker: Any, wait_until: Any
) -> None:
    go_on, seen = threading.Event(), []

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        go_on.wait(10)
        seen.append(number)

    broker.enqueue_many(work.message(number) for number in range(3000))
    run_worker(broker, threads=1)
    wait_until(lambda: broker.stats("default").in_flight == 2)
    assert broker.purge("default", "ready", token="p") == 2998
    work.send(3000)
    assert broker.purge("default", "ready", token="p") == 2998
    go_on.set()
    broker.join("default", timeout=5000)
    assert seen == [0, 1, 3000]


def test_the_oldest_of_a_thousand_requests_is_forgotten(broker: Any) -> None:
    for number in range(1002):
        broker.purge("default", "delayed", token=f"t{number}")
    assert broker.client.hlen("test:{t}:q:default:requests") == 1000
    assert broker.carry_out("default", "purge delayed", token="t1001").repeated
    with pytest.raises(ValueError, match="begin"):
        broker.purge("default", "ready", token="~mine")
    with pytest.raises(ValueError, match="only dead letters"):
        broker.purge("default", "ready", reason="x")
