"""Queues: messages arrive once at their actor; queues can be joined and flushed."""

import threading
from collections import Counter
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import ActorNotFound, QueueJoinTimeout, QueueNotFound
from tests.integration.broker_contract.stage import Stage, wait_until


def test_a_message_reaches_its_actor_with_its_arguments(stage: Stage) -> None:
    seen: list[Any] = []

    @stage.actor
    def take(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))

    take.send(1, "ü\u2028\x00", None, [1.5, {"a": []}], key={"b": True})
    stage.work()
    stage.join()
    assert seen == [((1, "ü\u2028\x00", None, [1.5, {"a": []}]), {"key": {"b": True}})]


def test_messages_of_a_queue_begin_in_the_order_sent(stage: Stage) -> None:
    seen: list[int] = []

    @stage.actor
    def take(number: int) -> None:
        seen.append(number)

    for number in range(50):
        take.send(number)
    stage.work(threads=1)
    stage.join()
    assert seen == list(range(50))


def test_every_message_runs_once(stage: Stage) -> None:
    seen: Counter[int] = Counter()
    lock = threading.Lock()

    @stage.actor
    def take(number: int) -> None:
        with lock:
            seen[number] += 1

    stage.work(threads=4)
    for number in range(200):
        take.send(number)
    stage.join()
    assert seen == Counter(range(200))


def test_two_workers_share_a_queue(stage: Stage) -> None:
    seen: Counter[int] = Counter()
    lock = threading.Lock()
    brokers = [stage.broker, stage.another_broker()]

    def take(number: int) -> None:
        with lock:
            seen[number] += 1

    declare: Any = dramatiq.actor
    actors = [
        declare(take, broker=broker) for broker in brokers[: 1 if stage.kind == "stub" else 2]
    ]
    for broker in brokers:
        stage.work(broker)
    for number in range(100):
        actors[number % len(actors)].send(number)
    stage.join()
    assert seen == Counter(range(100))


def test_one_worker_serves_several_queues(stage: Stage) -> None:
    seen: set[str] = set()
    for name in ("a", "b", "c"):
        stage.actor(lambda name=name: seen.add(name), actor_name=name, queue_name=name).send()
    stage.work()
    stage.join("a", "b", "c")
    assert seen == {"a", "b", "c"}


def test_a_worker_with_selected_queues_ignores_others(stage: Stage) -> None:
    seen: list[str] = []
    for name in ("a", "b"):
        stage.actor(lambda name=name: seen.append(name), actor_name=name, queue_name=name).send()
    worker = stage.work(queues={"a"})
    stage.join("a")
    assert seen == ["a"]
    with pytest.raises(QueueJoinTimeout):
        stage.broker.join("b", timeout=50)
    stage.stop(worker)
    stage.work()
    stage.join("b")
    assert seen == ["a", "b"]


def test_a_worker_with_selected_queues_handles_their_delayed_messages(stage: Stage) -> None:
    seen: list[str] = []
    take = stage.actor(lambda: seen.append("a"), actor_name="a", queue_name="a")
    stage.work(queues={"a"})
    take.send_with_options(delay=20)
    stage.join("a")
    assert seen == ["a"]


def test_a_queue_declared_after_the_worker_started_is_served(stage: Stage) -> None:
    seen: list[int] = []
    stage.work()
    stage.actor(lambda: seen.append(1), actor_name="late", queue_name="late").send()
    stage.join("late")
    assert seen == [1]


def test_an_actor_name_must_be_unique(stage: Stage) -> None:
    stage.actor(lambda: None, actor_name="take")
    with pytest.raises(ValueError, match="already registered"):
        stage.actor(lambda: None, actor_name="take")


def test_a_message_for_an_unknown_actor_is_dead_and_delays_no_others(stage: Stage) -> None:
    seen: list[int] = []

    @stage.actor
    def take() -> None:
        seen.append(1)

    lost: Any = dramatiq.Message("default", "nobody", (), {}, {})
    stage.broker.enqueue(lost)
    take.send()
    stage.work()
    stage.join()
    assert seen == [1]
    assert stage.dead() == [lost.message_id]


def test_an_unknown_actor_is_not_found(stage: Stage) -> None:
    with pytest.raises(ActorNotFound):
        stage.broker.get_actor("nobody")


def test_enqueueing_returns_the_message(stage: Stage) -> None:
    take = stage.actor(lambda: None, actor_name="take")
    message = take.message()
    assert stage.broker.enqueue(message).message_id == message.message_id
    assert stage.broker.enqueue(message, delay=10).message_id == message.message_id


def test_id_timestamp_and_options_arrive_as_sent(stage: Stage) -> None:
    seen: list[Any] = []

    class Watch(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append((message.message_id, message.message_timestamp, message.options["tag"]))

    stage.use(Watch())
    take = stage.actor(lambda: None, actor_name="take")
    sent = take.send_with_options(tag={"a": [1, None]})
    stage.work()
    stage.join()
    assert seen == [(sent.message_id, sent.message_timestamp, {"a": [1, None]})]


def test_messages_may_use_a_custom_encoder(stage: Stage) -> None:
    seen: list[Any] = []
    take = stage.actor(seen.append, actor_name="take")
    before = dramatiq.get_encoder()
    dramatiq.set_encoder(dramatiq.PickleEncoder())
    try:
        take.send({1, 2})
        stage.work()
        stage.join()
    finally:
        dramatiq.set_encoder(before)
    assert seen == [{1, 2}]


def test_an_unknown_actor_option_is_rejected(stage: Stage) -> None:
    with pytest.raises(ValueError, match="invalid_option"):
        stage.actor(lambda: None, actor_name="take", invalid_option=1)


def test_actors_may_be_classes(stage: Stage) -> None:
    seen: list[int] = []

    class Take(dramatiq.GenericActor):
        class Meta:
            broker = stage.broker
            queue_name = "classes"

        def perform(self, number: int) -> None:
            seen.append(number)

    actor: Any = Take
    actor.send(3)
    stage.work()
    stage.join("classes")
    assert seen == [3]


def test_join_ends_after_its_timeout(stage: Stage) -> None:
    stage.actor(lambda: None, actor_name="take").send()
    with pytest.raises(QueueJoinTimeout):
        stage.broker.join("default", timeout=30)


def test_join_waits_for_delayed_messages(stage: Stage) -> None:
    seen: list[int] = []
    take = stage.actor(lambda: seen.append(1), actor_name="take")
    stage.work()
    take.send_with_options(delay=100)
    stage.join()
    assert seen == [1]


def test_join_waits_for_messages_in_work(stage: Stage) -> None:
    go, begun, seen = threading.Event(), threading.Event(), []

    @stage.actor
    def take() -> None:
        begun.set()
        go.wait(5)
        seen.append(1)

    stage.work()
    take.send()
    begun.wait(5)
    with pytest.raises(QueueJoinTimeout):
        stage.broker.join("default", timeout=50)
    go.set()
    stage.join()
    assert seen == [1]


def test_join_of_an_undeclared_queue_is_rejected(stage: Stage) -> None:
    with pytest.raises(QueueNotFound):
        stage.broker.join("nowhere", timeout=100)


def test_consuming_an_undeclared_queue_is_rejected(stage: Stage) -> None:
    with pytest.raises(QueueNotFound):
        stage.broker.consume("nowhere")


def test_enqueueing_on_an_undeclared_queue_is_rejected(stage: Stage) -> None:
    with pytest.raises(QueueNotFound):
        stage.broker.enqueue(dramatiq.Message("nowhere", "take", (), {}, {}))


def test_flush_drops_what_is_ready(stage: Stage) -> None:
    seen: list[str] = []
    take = stage.actor(seen.append, actor_name="take")
    other = stage.actor(seen.append, actor_name="other", queue_name="other")
    take.send("dropped")
    other.send("kept")
    stage.broker.flush("default")
    stage.work()
    stage.join("default", "other")
    assert seen == ["kept"]


def test_flush_drops_what_is_delayed(stage: Stage) -> None:
    take = stage.actor(lambda: None, actor_name="take")
    take.send_with_options(delay=60_000)
    stage.broker.flush("default")
    stage.broker.join("default", timeout=500)


def test_flush_keeps_dead_letters(stage: Stage) -> None:
    @stage.actor(max_retries=0)
    def fail() -> None:
        raise ValueError

    sent = fail.send()
    stage.work()
    stage.join()
    stage.broker.flush("default")
    assert stage.dead() == [sent.message_id]


def test_flush_all_empties_every_queue(stage: Stage) -> None:
    for name in ("a", "b"):
        take = stage.actor(lambda: None, actor_name=name, queue_name=name)
        take.send()
        take.send_with_options(delay=60_000)
    stage.broker.flush_all()
    for name in ("a", "b"):
        stage.broker.join(name, timeout=500)


def test_a_flush_does_not_stop_a_running_worker(stage: Stage) -> None:
    go, begun, seen = threading.Event(), threading.Event(), []

    @stage.actor
    def hold() -> None:
        begun.set()
        go.wait(5)

    @stage.actor
    def take() -> None:
        seen.append(1)

    stage.work()
    hold.send()
    begun.wait(5)
    stage.broker.flush("default")
    go.set()
    take.send()
    wait_until(lambda: seen == [1])


def test_declared_queues_and_actors_are_listed(stage: Stage) -> None:
    stage.actor(lambda: None, actor_name="take", queue_name="some")
    assert stage.broker.get_declared_actors() == {"take"}
    assert stage.broker.get_declared_queues() - {"some.DQ"} == {"some"}


def test_a_queue_has_a_delay_queue(stage: Stage) -> None:
    stage.broker.declare_queue("some")
    assert stage.broker.get_declared_delay_queues() == {"some.DQ"}
