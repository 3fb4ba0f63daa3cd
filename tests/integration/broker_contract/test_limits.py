"""Time limits and age limits."""

import time
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import AgeLimit, TimeLimit, TimeLimitExceeded
from tests.integration.broker_contract.stage import Stage, start_time_limits


@pytest.mark.parametrize("where", ["actor", "message", "middleware"])
def test_an_actor_that_runs_too_long_is_interrupted(stage: Stage, where: str) -> None:
    limit: dict[str, Any] = {"time_limit": 60}
    seen: list[str] = []

    @stage.actor(max_retries=0, **(limit if where == "actor" else {}))
    def endless() -> None:
        try:
            for _ in range(500):
                time.sleep(0.01)
        except TimeLimitExceeded:
            seen.append("interrupted")
            raise

    if where == "middleware":
        next(
            each for each in stage.broker.middleware if isinstance(each, TimeLimit)
        ).time_limit = 60
    start_time_limits(stage)
    sent = endless.send_with_options(**(limit if where == "message" else {}))
    stage.work()
    stage.join()
    assert seen == ["interrupted"]
    assert stage.dead() == [sent.message_id]


def test_an_interrupted_message_is_retried(stage: Stage) -> None:
    seen: list[int] = []

    @stage.actor(time_limit=50, min_backoff=5, max_backoff=10)
    def slow_at_first() -> None:
        seen.append(1)
        for _ in range(500 if len(seen) == 1 else 0):
            time.sleep(0.01)

    start_time_limits(stage)
    slow_at_first.send()
    stage.work()
    stage.join()
    assert len(seen) == 2


@pytest.mark.parametrize("where", ["actor", "message", "middleware"])
def test_a_message_past_its_age_limit_is_dead_and_never_runs(stage: Stage, where: str) -> None:
    limit: dict[str, Any] = {"max_age": 40}
    seen: list[int] = []
    take = stage.actor(
        lambda: seen.append(1), actor_name="take", **(limit if where == "actor" else {})
    )
    if where == "middleware":
        next(each for each in stage.broker.middleware if isinstance(each, AgeLimit)).max_age = 40
    sent = take.send_with_options(**(limit if where == "message" else {}))
    time.sleep(0.05)
    stage.work()
    stage.join()
    assert seen == []
    assert stage.dead() == [sent.message_id]


def test_age_counts_from_when_a_message_was_first_sent(stage: Stage) -> None:
    tries: list[int] = []

    @stage.actor(max_age=100, min_backoff=60, max_backoff=120)
    def fail() -> None:
        tries.append(1)
        raise ValueError

    sent = fail.send()
    stage.work()
    stage.join()
    assert 1 <= len(tries) <= 2
    assert stage.dead() == [sent.message_id]


def test_a_skipped_message_is_done(stage: Stage) -> None:
    seen: list[int] = []

    class Skip(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise dramatiq.middleware.SkipMessage

    stage.use(Skip())
    stage.actor(lambda: seen.append(1), actor_name="take").send()
    stage.work()
    stage.join()
    assert seen == []
    assert stage.dead() == []
