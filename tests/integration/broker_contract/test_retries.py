"""Retries with every option of Dramatiq's middleware."""

import time
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import Retries
from tests.integration.broker_contract.stage import Stage

FAST: dict[str, Any] = {"min_backoff": 5, "max_backoff": 10}


class Watch(dramatiq.Middleware):
    """Records options, id and time of each attempt."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []
        self.ids: set[tuple[str, int]] = set()
        self.times: list[float] = []

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.options.append(dict(message.options))
        self.ids.add((message.message_id, message.message_timestamp))
        self.times.append(time.monotonic())


@pytest.fixture
def watch(stage: Stage) -> Watch:
    made = Watch()
    stage.use(made)
    return made


def failing(stage: Stage, times: int, error: Any = ValueError, **options: Any) -> Any:
    """Declare an actor that fails a number of times."""
    left = [times]

    def fail(*_args: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return stage.actor(fail, **{**FAST, **options})


def test_a_failing_message_is_retried_until_it_succeeds(stage: Stage, watch: Watch) -> None:
    failing(stage, 3).send()
    stage.work()
    stage.join()
    assert len(watch.times) == 4
    assert stage.dead() == []


def test_a_retry_keeps_id_arguments_and_options(stage: Stage, watch: Watch) -> None:
    seen: list[Any] = []

    @stage.actor(**FAST)
    def fail(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))
        if len(seen) < 3:
            raise ValueError

    sent = fail.send_with_options(args=(1, "a"), kwargs={"b": [2]}, tag="t", max_age=60_000)
    stage.work()
    stage.join()
    assert seen == [((1, "a"), {"b": [2]})] * 3
    assert watch.ids == {(sent.message_id, sent.message_timestamp)}
    assert all(options["tag"] == "t" and options["max_age"] == 60_000 for options in watch.options)


def test_a_retried_message_carries_retry_count_time_and_reason(stage: Stage, watch: Watch) -> None:
    failing(stage, 2).send()
    stage.work()
    stage.join()
    assert [options.get("retries", 0) for options in watch.options] == [0, 1, 2]
    assert all(
        abs(options["requeue_timestamp"] - time.time() * 1000) < 10_000
        for options in watch.options[1:]
    )
    assert all("ValueError" in options["traceback"] for options in watch.options[1:])


def test_a_retried_message_carries_the_traceback(stage: Stage, watch: Watch) -> None:
    failing(stage, 1, ValueError("the text of the error")).send()
    stage.work()
    stage.join()
    assert "the text of the error" in watch.options[1]["traceback"]


@pytest.mark.parametrize("where", ["actor", "message", "middleware"])
def test_max_retries_limits_the_tries(stage: Stage, watch: Watch, where: str) -> None:
    fail = failing(stage, 100, **({"max_retries": 2} if where == "actor" else {}))
    if where == "middleware":
        next(each for each in stage.broker.middleware if isinstance(each, Retries)).max_retries = 2
    sent = fail.send_with_options(**({"max_retries": 2} if where == "message" else {}))
    stage.work()
    stage.join()
    assert len(watch.times) == 3
    assert stage.dead() == [sent.message_id]


def test_no_retries_means_dead_at_once(stage: Stage, watch: Watch) -> None:
    sent = failing(stage, 1, max_retries=0).send()
    stage.work()
    stage.join()
    assert len(watch.times) == 1
    assert stage.dead() == [sent.message_id]


def test_dead_letters_are_in_order_of_death(stage: Stage) -> None:
    fail = failing(stage, 3, max_retries=0)
    sent = []
    stage.work(threads=1)
    for _ in range(3):
        sent.append(fail.send().message_id)
        stage.join()
        time.sleep(0.002)  # Dramatiq's RedisBroker orders by millisecond
    assert stage.dead() == sent


@pytest.mark.parametrize("where", ["actor", "message", "middleware"])
def test_backoff_is_kept_between_its_limits(stage: Stage, watch: Watch, where: str) -> None:
    limits: dict[str, Any] = {"min_backoff": 100, "max_backoff": 160}
    fail = failing(stage, 3, **(limits if where == "actor" else {}))
    if where != "actor":
        for name in limits:
            del fail.options[name]
    if where == "middleware":
        retries = next(each for each in stage.broker.middleware if isinstance(each, Retries))
        retries.min_backoff, retries.max_backoff = 100, 160
    fail.send_with_options(**(limits if where == "message" else {}))
    stage.work()
    stage.join()
    gaps = [later - earlier for earlier, later in zip(watch.times, watch.times[1:], strict=False)]
    assert len(gaps) == 3
    assert gaps[0] >= 0.08, "at least half of max_backoff, and min_backoff in all but that case"
    assert all(0.078 <= gap < 0.6 for gap in gaps), gaps


def test_retry_when_decides_and_outranks_max_retries(stage: Stage, watch: Watch) -> None:
    asked: list[tuple[int, str]] = []

    def retry_when(retries: int, error: BaseException) -> bool:
        asked.append((retries, type(error).__name__))
        return retries < 3

    sent = failing(stage, 100, max_retries=1, retry_when=retry_when).send()
    stage.work()
    stage.join()
    assert asked == [(0, "ValueError"), (1, "ValueError"), (2, "ValueError"), (3, "ValueError")]
    assert len(watch.times) == 4
    assert stage.dead() == [sent.message_id]


@pytest.mark.parametrize("throws", [KeyError, (KeyError, OSError)])
def test_an_exception_in_throws_is_not_retried(stage: Stage, watch: Watch, throws: Any) -> None:
    sent = failing(stage, 1, KeyError, throws=throws).send()
    stage.work()
    stage.join()
    assert len(watch.times) == 1
    assert stage.dead() == [sent.message_id]


@pytest.mark.parametrize("where", ["actor", "message"])
def test_exhausted_retries_notify_the_named_actor(stage: Stage, where: str) -> None:
    notified: list[Any] = []

    @stage.actor
    def tell(message: dict[str, Any], info: dict[str, Any]) -> None:
        notified.append((message["message_id"], message["options"]["retries"], info))

    named = {"on_retry_exhausted": "tell"}
    fail = failing(stage, 100, max_retries=1, **(named if where == "actor" else {}))
    sent = fail.send_with_options(**(named if where == "message" else {}))
    stage.work()
    stage.join()
    assert notified == [(sent.message_id, 2, {"retries": 1, "max_retries": 1})]


def test_retry_with_a_delay_waits_that_long(stage: Stage, watch: Watch) -> None:
    failing(stage, 2, Retry("again", delay=120), min_backoff=60_000, max_backoff=60_000).send()
    stage.work()
    stage.join()
    gaps = [later - earlier for earlier, later in zip(watch.times, watch.times[1:], strict=False)]
    assert len(gaps) == 2
    assert all(0.119 <= gap < 0.6 for gap in gaps)


def test_retry_without_a_delay_backs_off(stage: Stage, watch: Watch) -> None:
    failing(stage, 1, Retry("again"), min_backoff=100, max_backoff=200).send()
    stage.work()
    stage.join()
    assert watch.times[1] - watch.times[0] >= 0.099


def test_an_exceeded_rate_limit_is_retried(stage: Stage, watch: Watch) -> None:
    failing(stage, 2, RateLimitExceeded).send()
    stage.work()
    stage.join()
    assert len(watch.times) == 3


def test_without_retries_a_failing_message_is_done(stage: Stage, watch: Watch) -> None:
    stage.broker.middleware = [
        each for each in stage.broker.middleware if not isinstance(each, Retries)
    ]

    @stage.actor
    def fail() -> None:
        raise ValueError

    fail.send()
    stage.work()
    stage.join()
    assert len(watch.times) == 1
    assert stage.dead() == []


def test_other_messages_run_while_one_waits_for_its_retry(stage: Stage) -> None:
    seen: list[int] = []
    take = stage.actor(seen.append, actor_name="take")
    failing(stage, 1, min_backoff=200, max_backoff=400).send()
    stage.work(threads=1)
    for number in range(10):
        take.send(number)
    stage.join()
    assert seen == list(range(10))
