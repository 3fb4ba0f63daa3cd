"""Enqueueing: single, bulk, asyncio, and from a foreign function; queue statistics."""

import asyncio
import time
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout, QueueNotFound
from tests.conftest import free_port

from stanine.broker import BatchRefused
from stanine.broker.connection.clients import connect


def test_a_message_sent_is_processed_once(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: list[tuple[str, int]] = []

    @dramatiq.actor(broker=broker)
    def note(name: str, number: int = 0) -> None:
        seen.append((name, number))

    run_worker(broker)
    note.send("a", number=7)
    broker.join("default", timeout=5000)
    assert seen == [("a", 7)]
    assert broker.client.xlen(broker.ready_key("default")) == 0


def test_bulk_messages_arrive_in_order_across_chunks(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    broker.enqueue_many(note.message(number) for number in range(1203))
    run_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert seen == list(range(1203))


def test_asyncio_enqueues_single_many_and_delayed(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    async def produce() -> None:
        await broker.enqueue_async(note.message(0))
        await broker.enqueue_many_async([note.message(number) for number in range(1, 10)])
        await broker.enqueue_async(note.message(10), delay=50)
        await broker.close_async()

    asyncio.run(produce())
    assert broker.stats("default").delayed == 1
    run_worker(broker, threads=1)
    broker.join("default", timeout=5000)
    assert seen == list(range(11))


def test_a_foreign_function_enqueues_together_with_its_record(
    make_broker: Any, run_worker: Any
) -> None:
    broker = make_broker()
    batches: list[bytes] = []

    @dramatiq.actor(broker=broker, queue_name="results", batch="attempts")
    def score(attempts: bytes) -> None:
        batches.append(attempts)

    script = """redis.call('SET', KEYS[1], 'record') redis.call('XADD', KEYS[2], '*', 'h', ARGV[1], 'i', ARGV[2]) return 1"""
    for number in range(300):
        broker.client.eval(
            script,
            2,
            "test:{t}:r",
            broker.ready_key("results"),
            broker.head("results", "score"),
            b"%08d" % number,
        )
    run_worker(broker)
    broker.join("results", timeout=5000)
    assert b"".join(sorted(batches)) == b"".join(b"%08d" % number for number in range(300))
    assert len(batches) < 30, "they were merged"


def test_a_producer_needs_no_actor_to_send_a_batch_message(
    make_broker: Any, run_worker: Any
) -> None:
    producer, consumer = make_broker(), make_broker()
    batches: list[bytes] = []

    @dramatiq.actor(broker=consumer, queue_name="results", batch="attempts")
    def score(attempts: bytes) -> None:
        batches.append(attempts)

    producer.enqueue(dramatiq.Message("results", "score", (), {"attempts": b"12345678"}, {}))
    run_worker(consumer)
    consumer.join("results", timeout=5000)
    assert batches == [b"12345678"]


def test_a_batch_message_with_options_is_rejected(make_broker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker, batch="ids")
    def score(ids: bytes) -> None: ...

    pipeline: Any = dramatiq.pipeline(
        [score.message(ids=b"1"), score.message(ids=b"2")], broker=broker
    )
    for refused in (
        lambda: score.send_with_options(kwargs={"ids": b"1"}, max_age=5),
        lambda: score.send(b"1"),
        lambda: score.send(ids="text"),  # type: ignore[arg-type]
        lambda: score.send(ids=b""),
        pipeline.run,
    ):
        with pytest.raises(BatchRefused):
            refused()
    assert broker.stats("default").ready == 0


def test_the_traceparent_is_stored_in_its_own_field(make_broker: Any, run_worker: Any) -> None:
    broker = make_broker()
    seen: list[dict[str, Any]] = []

    class Watch(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(dict(message.options))

    broker.add_middleware(Watch())

    @dramatiq.actor(broker=broker)
    def note() -> None: ...

    @dramatiq.actor(broker=broker, queue_name="b", batch="ids")
    def score(ids: bytes) -> None: ...

    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    note.send_with_options(traceparent=trace)
    for one in (trace, trace, trace.replace("b7", "c8")):
        score.send_with_options(kwargs={"ids": b"1"}, traceparent=one)
    assert b"traceparent" not in broker.client.xrange(broker.ready_key("default"))[0][1][b"h"]
    run_worker(broker, threads=1)
    for queue in ("default", "b"):
        broker.join(queue, timeout=5000)
    assert {"traceparent": trace} in seen
    assert {"traceparents": [trace, trace.replace("b7", "c8")]} in seen


def test_stats_report_depth_and_age_without_side_effects(make_broker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker)
    def note() -> None: ...

    assert broker.stats("default").oldest_ms is None
    begun = broker.stats("default").now_ms
    note.send()
    note.send()
    note.send_with_options(delay=60_000)
    before = broker.client.dump(broker.ready_key("default"))
    stats = broker.stats("default")
    assert (stats.ready, stats.delayed, stats.in_flight, stats.dead, stats.consumers) == (
        2,
        1,
        0,
        0,
        0,
    )
    assert begun <= stats.oldest_ms <= stats.now_ms
    assert broker.client.dump(broker.ready_key("default")) == before


def test_flush_purge_and_join_affect_only_their_part(make_broker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker)
    def note() -> None: ...

    def fill() -> None:
        broker.enqueue_many([note.message() for _ in range(3)])
        broker.enqueue_many([note.message() for _ in range(2)], delay=60_000)
        broker.client.xadd(broker.queues["default"].keys.dead, {"reason": "x"})

    fill()
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=20)
    with pytest.raises(QueueNotFound):
        broker.join("unknown")
    assert broker.purge("default", "ready") == 3
    assert broker.purge("default", "delayed") == 2
    assert broker.purge("default", "dead") == 1
    with pytest.raises(ValueError, match="are ready, delayed and dead"):
        broker.purge("default", "all")
    fill()
    broker.flush_all()
    stats = broker.stats("default")
    assert (stats.ready, stats.delayed, stats.dead) == (0, 0, 1)
    broker.join("default", timeout=20)


def test_declaring_a_queue_writes_nothing_to_redis(make_broker: Any) -> None:
    broker = make_broker()
    broker.declare_queue("q")
    broker.declare_queue("q")
    assert broker.get_declared_queues() == {"q"}
    assert broker.get_declared_delay_queues() == set()
    assert broker.client.dbsize() == 0


def test_existing_clients_replace_a_url(redis_url: str, make_broker: Any, run_worker: Any) -> None:
    client = connect(redis_url)
    broker = make_broker(None, client=client)
    seen: list[int] = []

    @dramatiq.actor(broker=broker)
    def note() -> None:
        seen.append(1)

    run_worker(broker)
    note.send()
    broker.join("default", timeout=5000)
    assert seen == [1]
    broker.close()
    client.close()


def test_an_unreachable_server_is_a_connection_error_with_its_reason(make_broker: Any) -> None:
    broker = make_broker(f"redis://127.0.0.1:{free_port()}/0")
    begun = time.monotonic()
    with pytest.raises(BrokerConnectionError, match="ConnectionRefused"):
        broker.enqueue(dramatiq.Message("q", "a", (), {}, {}))
    assert time.monotonic() - begun < 30


def test_asyncio_enqueues_from_one_event_loop_after_another(make_broker: Any) -> None:
    broker = make_broker()

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None: ...

    for number in range(3):
        asyncio.run(broker.enqueue_async(note.message(number)))
    assert broker.stats("default").ready == 3

    async def from_a_thread() -> None:
        await broker.enqueue_async(note.message(3))
        await asyncio.to_thread(
            asyncio.run, broker.enqueue_async(note.message(4))
        )  # while the first loop is open
        await broker.enqueue_async(note.message(5))
        await broker.close_async()

    asyncio.run(from_a_thread())
    assert broker.stats("default").ready == 6


@pytest.mark.parametrize("how", ["producer", "asyncio", "worker"])
def test_a_broker_used_alone_notices_an_evicting_server(
    own_server: Any,
    make_broker: Any,
    run_worker: Any,
    wait_until: Any,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    broker = make_broker(own_server("--maxmemory-policy", "allkeys-lru").url)

    @dramatiq.actor(broker=broker)
    def note() -> None: ...

    for _ in range(2):
        if how == "producer":
            note.send()
        elif how == "asyncio":
            asyncio.run(broker.enqueue_async(note.message()))
    if how == "worker":
        run_worker(broker)
        wait_until(lambda: any(record.name == "stanine.broker.server" for record in caplog.records))
    lines = [
        record.getMessage() for record in caplog.records if record.name == "stanine.broker.server"
    ]
    assert len(lines) == 1
    assert "noeviction" in lines[0]


def test_a_process_reads_more_queues_than_a_pool_has_connections(
    make_broker: Any, run_worker: Any
) -> None:
    broker, seen = make_broker(), []
    for number in range(100):

        @dramatiq.actor(broker=broker, actor_name=f"note-{number}", queue_name=f"queue-{number}")
        def note(number: int) -> None:
            seen.append(number)

    broker.enqueue_many(
        dramatiq.Message(f"queue-{number}", f"note-{number}", (number,), {}, {})
        for number in range(100)
    )
    run_worker(broker, timeout=500)
    for number in range(100):
        broker.join(f"queue-{number}", timeout=30_000)
    assert sorted(seen) == list(range(100))


def test_more_queues_than_max_queues_are_rejected(make_broker: Any) -> None:
    broker = make_broker(max_queues=1)
    for name in ("one", "two"):
        broker.declare_queue(name)
    consumer = broker.consume("one")
    with pytest.raises(BrokerConnectionError, match="max_queues"):
        broker.consume("two")
    consumer.close()
    broker.consume("two").close()
