"""Queues of large messages.

Each call reads about half a megabyte at most, so that none blocks the server.
"""

from typing import Any

import dramatiq
import pytest

#: Bytes per message and number of messages: 30 MB in total, sixty times what a call may read.
LARGE, MANY = 100_000, 300
#: Approximate bytes read per call (functions/layout.lua).
BYTES = 512 * 1024


@pytest.fixture
def broker(make_broker: Any) -> Any:
    made = make_broker()
    made.declare_queue("q")
    return made


def fill(broker: Any, delay: int | None = None) -> None:
    broker.enqueue_many(
        (dramatiq.Message("q", "a", ("x" * LARGE,), {}, {}) for _ in range(MANY)), delay=delay
    )


def calls(broker: Any, name: str) -> int:
    return int(broker.client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0))


def fcalls_of(broker: Any, act: Any) -> int:
    before = calls(broker, "fcall")
    act()
    return calls(broker, "fcall") - before


def test_purging_and_dropping_take_many_small_calls(broker: Any) -> None:
    least = LARGE * MANY / BYTES / 2
    fill(broker)
    assert fcalls_of(broker, lambda: broker.purge("q", "ready")) >= least
    fill(broker)
    assert fcalls_of(broker, lambda: broker.flush("q")) >= least
    assert broker.client.xlen(broker.ready_key("q")) == 0


def test_promoting_takes_many_small_calls(broker: Any) -> None:
    fill(broker, delay=1)
    queue = broker._queue("q")
    most = 0
    while broker.client.zcard(queue.keys.delayed):
        before = broker.client.xlen(queue.keys.ready)
        queue.promote(broker.client)
        most = max(most, broker.client.xlen(queue.keys.ready) - before)
    assert broker.client.xlen(queue.keys.ready) == MANY
    assert 1 < most <= 2 * BYTES / LARGE


@pytest.mark.parametrize("delay", [None, 3_600_000])
def test_stats_read_few_large_messages_and_are_correct(broker: Any, delay: int | None) -> None:
    begun = broker.stats("q").now_ms
    fill(broker, delay)
    broker.client.config_resetstat()
    stats = broker.stats("q")
    assert (stats.ready, stats.delayed) == ((MANY, 0) if delay is None else (0, MANY))
    assert begun <= stats.oldest_ms <= stats.now_ms
    read = "xrange" if delay is None else "zrange"
    spent = broker.client.info("commandstats")[f"cmdstat_{read}"]
    assert spent["calls"] <= 12
    if delay is None:
        broker.client.config_resetstat()
        broker.client.xrange(broker.ready_key("q"))
        whole = broker.client.info("commandstats")["cmdstat_xrange"]
        assert spent["usec"] < whole["usec"] / 4, "a share of what reading all of it costs"


def test_joining_reads_no_message(broker: Any) -> None:
    fill(broker)
    broker.client.config_resetstat()
    with pytest.raises(dramatiq.errors.QueueJoinTimeout):
        broker.join("q", timeout=200)
    assert calls(broker, "fcall") + calls(broker, "fcall_ro") > 3
    assert calls(broker, "xrange") == 0


def test_own_pending_messages_are_refetched_in_parts(broker: Any) -> None:
    fill(broker)
    queue, client = broker._queue("q"), broker.client
    queue.join(client, "me", broker.defaults)
    client.execute_command(
        "XREADGROUP", "GROUP", "workers", "me", "COUNT", 50, "STREAMS", queue.keys.ready, ">"
    )
    found: list[bytes] = []
    pages, more, after = 0, True, b""
    while more:
        rows, more = queue.held(client, "me", after, 500)
        found += [entry_id for entry_id, _, _ in rows]
        after, pages = found[-1], pages + 1
    assert len(set(found)) == len(found) == 50
    assert pages >= 5


def test_small_messages_take_one_call(broker: Any) -> None:
    broker.enqueue_many(dramatiq.Message("q", "a", (number,), {}, {}) for number in range(900))
    assert fcalls_of(broker, lambda: broker.purge("q", "ready")) == 1


def test_ticks_do_not_count_as_messages(make_broker: Any, run_worker: Any, wait_until: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker)
    def note() -> None: ...

    queue = broker._queue("default")
    queue.join(broker.client, "asleep", broker.defaults)  # a consumer that does not read
    for number in range(500):
        broker.enqueue(note.message(), delay=3_600_000 - 1000 * number)
    stats = broker.stats("default")
    assert (stats.ready, stats.in_flight, stats.delayed) == (0, 0, 500)
    assert broker.client.xlen(queue.keys.ready) == 1
    broker.client.xreadgroup("workers", "asleep", {queue.keys.ready: ">"})
    stats = broker.stats("default")
    assert (stats.ready, stats.in_flight) == (0, 0)
    assert broker.purge("default", "delayed") == 500
    broker.join("default", timeout=1000)
