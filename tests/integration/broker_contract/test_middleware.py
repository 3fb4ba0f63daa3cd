"""Middleware: order of signals, and the built-in middleware that is not tested elsewhere."""

import threading
import time
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import CurrentMessage, SkipMessage
from dramatiq.middleware.shutdown import Shutdown
from tests.integration.broker_contract.stage import (
    Stage,
    current_message,
    run_async_actors,
    wait_until,
)

FAST: dict[str, Any] = {"min_backoff": 5, "max_backoff": 10}


class Recorder(dramatiq.Middleware):
    """Records all signals of messages, actors and queues, with their arguments."""

    def __init__(self, name: str = "") -> None:
        self.seen: list[str] = []
        self._name = name

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith(("before_", "after_")):
            return super().__getattribute__(name)
        return lambda _broker, *args, **more: self._note(name, args, more)

    def _note(self, name: str, args: tuple[Any, ...], more: dict[str, Any]) -> None:
        if (
            "declare" in name
            or "boot" in name
            or "shutdown" in name
            or name == "before_delay_message"
        ):
            return
        signal = self._name + name
        if name.endswith("_enqueue"):
            signal += " later" if args[1] is not None else ""
        elif more.get("exception") is not None:
            signal += f" {type(more['exception']).__name__}"
        elif more.get("result") is not None:
            signal += f" {more['result']}"
        self.seen.append(signal)


@pytest.fixture
def recorder(stage: Stage) -> Recorder:
    made = Recorder()
    stage.use(made)
    return made


def test_signals_of_a_message_that_succeeds(stage: Stage, recorder: Recorder) -> None:
    stage.actor(lambda: 7, actor_name="take").send()
    stage.work()
    stage.join()
    assert recorder.seen == [
        "before_enqueue", "after_enqueue", "before_process_message", "after_process_message 7", "before_ack", "after_ack",
    ]  # fmt: skip


def test_signals_of_a_message_that_dies(stage: Stage, recorder: Recorder) -> None:
    @stage.actor(max_retries=0)
    def fail() -> None:
        raise ValueError

    fail.send()
    stage.work()
    stage.join()
    assert recorder.seen == [
        "before_enqueue", "after_enqueue", "before_process_message", "after_process_message ValueError", "before_nack", "after_nack",
    ]  # fmt: skip


def test_signals_of_a_message_that_is_retried(stage: Stage, recorder: Recorder) -> None:
    @stage.actor(min_backoff=100, max_backoff=200)
    def fail() -> None:
        raise ValueError

    fail.send()
    stage.work()
    wait_until(lambda: "after_ack" in recorder.seen)
    assert recorder.seen == [
        "before_enqueue", "after_enqueue", "before_process_message", "after_process_message ValueError",
        "before_enqueue later", "after_enqueue later", "before_ack", "after_ack",
    ]  # fmt: skip
    stage.broker.flush("default")


def test_signals_of_a_message_that_is_skipped(stage: Stage, recorder: Recorder) -> None:
    class Skip(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise SkipMessage

    stage.use(Skip())
    stage.actor(lambda: None, actor_name="take").send()
    stage.work()
    stage.join()
    assert recorder.seen == [
        "before_enqueue", "after_enqueue", "before_process_message", "after_skip_message", "before_ack", "after_ack",
    ]  # fmt: skip


def test_signals_of_a_message_for_an_unknown_actor(stage: Stage, recorder: Recorder) -> None:
    stage.broker.declare_queue("default")
    stage.broker.enqueue(dramatiq.Message("default", "nobody", (), {}, {}))
    stage.work()
    stage.join()
    assert recorder.seen == ["before_enqueue", "after_enqueue", "before_nack", "after_nack"]


def test_middleware_is_called_in_order_before_and_in_reverse_after(stage: Stage) -> None:
    seen: list[str] = []

    class Named(dramatiq.Middleware):
        def __init__(self, name: str) -> None:
            self.name = name

        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(f"before {self.name}")

        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            seen.append(f"after {self.name}")

    for name in ("a", "b"):
        stage.broker.middleware.append(Named(name))
    stage.actor(lambda: None, actor_name="take").send()
    stage.work()
    stage.join()
    assert seen == ["before a", "before b", "after b", "after a"]


def test_middleware_may_change_a_message_before_it_is_enqueued(stage: Stage) -> None:
    seen: list[Any] = []

    class Tag(dramatiq.Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            message.options["tag"] = "t"

        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(message.options["tag"])

    stage.use(Tag())
    take = stage.actor(lambda: None, actor_name="take")
    take.send()
    take.send_with_options(delay=10)
    stage.work()
    stage.join()
    assert seen == ["t", "t"]


def test_middleware_that_fails_stops_nothing(stage: Stage) -> None:
    seen: list[int] = []

    class Faulty(dramatiq.Middleware):
        def __getattribute__(self, name: str) -> Any:
            if name in (
                "before_process_message",
                "after_process_message",
                "before_ack",
                "after_ack",
                "after_enqueue",
            ):
                raise RuntimeError(name)
            return super().__getattribute__(name)

    stage.use(Faulty())
    take = stage.actor(seen.append, actor_name="take")
    for number in range(3):
        take.send(number)
    stage.work(threads=1)
    stage.join()
    assert seen == [0, 1, 2]


def test_signals_of_workers_and_their_threads(stage: Stage) -> None:
    seen: list[str] = []

    class Watch(dramatiq.Middleware):
        def __getattribute__(self, name: str) -> Any:
            if "worker" in name or "consumer_thread" in name:
                return lambda *_args: seen.append(name)
            return super().__getattribute__(name)

    stage.use(Watch())
    stage.actor(lambda: None, actor_name="take").send()
    worker = stage.work(threads=1)
    stage.join()
    stage.stop(worker)
    assert seen[0] == "before_worker_boot"
    assert seen[-1] == "after_worker_shutdown"
    assert (
        seen.count("after_worker_thread_boot") == seen.count("before_worker_thread_shutdown") == 1
    )
    assert (
        seen.count("after_consumer_thread_boot")
        == seen.count("before_consumer_thread_shutdown")
        >= 1
    )
    assert (
        seen.index("after_worker_boot")
        < seen.index("before_worker_shutdown")
        < seen.index("before_worker_thread_shutdown")
    )
    assert seen.index("before_worker_thread_shutdown") < seen.index(
        "before_consumer_thread_shutdown"
    )


def test_signals_of_declaring(stage: Stage) -> None:
    seen: list[str] = []

    class Watch(dramatiq.Middleware):
        def __getattribute__(self, name: str) -> Any:
            if "declare" in name and "delay" not in name:
                return lambda _broker, what: seen.append(
                    f"{name} {getattr(what, 'actor_name', what)}"
                )
            return super().__getattribute__(name)

    stage.use(Watch())
    stage.actor(lambda: None, actor_name="take", queue_name="some")
    stage.broker.declare_queue("some")
    assert seen == [
        "before_declare_actor take",
        "before_declare_queue some",
        "after_declare_queue some",
        "after_declare_actor take",
    ]


def test_a_declared_delay_queue_is_signalled(stage: Stage) -> None:
    seen: list[str] = []

    class Watch(dramatiq.Middleware):
        def after_declare_delay_queue(self, broker: Any, queue_name: str) -> None:
            seen.append(queue_name)

    stage.use(Watch())
    stage.broker.declare_queue("some")
    assert seen == ["some.DQ"]


def test_an_actor_can_see_its_own_message(stage: Stage) -> None:
    seen: list[Any] = []
    stage.use(CurrentMessage())
    sent = stage.actor(lambda: seen.append(current_message().message_id), actor_name="take").send()
    stage.work()
    stage.join()
    assert seen == [sent.message_id]
    assert current_message() is None


def test_an_asynchronous_actor_can_see_its_own_message(stage: Stage) -> None:
    seen: list[Any] = []
    stage.use(CurrentMessage())
    run_async_actors(stage)

    @stage.actor
    async def take() -> None:
        seen.append(current_message().message_id)

    sent = take.send()
    stage.work()
    stage.join()
    assert seen == [sent.message_id]


def test_an_actor_may_enqueue_a_copy_of_its_own_message(stage: Stage) -> None:
    seen: list[int] = []
    stage.use(CurrentMessage())

    @stage.actor
    def again(number: int) -> None:
        seen.append(number)
        if number < 3:
            stage.broker.enqueue(current_message().copy(args=(number + 1,)))

    again.send(1)
    stage.work()
    wait_until(lambda: len(seen) == 3)
    stage.join()
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("where", ["actor", "message"])
def test_a_callback_gets_message_and_result_of_a_success(stage: Stage, where: str) -> None:
    calls: list[Any] = []

    @stage.actor
    def tell(message: dict[str, Any], result: Any) -> None:
        calls.append((message["message_id"], result))

    named = {"on_success": "tell"}
    sent = stage.actor(
        lambda: 7, actor_name="take", **(named if where == "actor" else {})
    ).send_with_options(**(named if where == "message" else {}))
    stage.work()
    wait_until(lambda: calls)
    stage.join()
    assert calls == [(sent.message_id, 7)]


def test_a_callback_gets_message_and_error_of_every_failure(stage: Stage) -> None:
    calls: list[Any] = []

    @stage.actor
    def tell(message: dict[str, Any], error: dict[str, str]) -> None:
        calls.append((message["message_id"], error))

    @stage.actor(on_failure="tell", max_retries=1, **FAST)
    def fail() -> None:
        raise ValueError("the text")

    sent = fail.send()
    stage.work()
    wait_until(lambda: len(calls) == 2)
    stage.join()
    assert calls == [(sent.message_id, {"type": "ValueError", "message": "the text"})] * 2


@pytest.mark.parametrize("where", ["actor", "message"])
def test_an_actor_with_notify_shutdown_is_interrupted_and_retried(stage: Stage, where: str) -> None:
    begun = threading.Event()
    seen: list[str] = []
    notify = {"notify_shutdown": True}

    @stage.actor(min_backoff=150, max_backoff=300, **(notify if where == "actor" else {}))
    def endless() -> None:
        begun.set()
        if seen:
            seen.append("again")
            return
        try:
            for _ in range(500):
                time.sleep(0.01)
        except Shutdown:
            seen.append("interrupted")
            raise

    endless.send_with_options(**(notify if where == "message" else {}))
    worker = stage.work(threads=1)  # a second thread might start the retry before it stops
    assert begun.wait(5)
    stage.stop(worker)
    assert seen == ["interrupted"]
    stage.work()
    stage.join()
    assert seen == ["interrupted", "again"]
