"""Pipelines and groups, with their results and completion callbacks."""

import time
from collections import Counter
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import GroupCallbacks
from dramatiq.results import ResultMissing
from tests.integration.broker_contract.stage import Stage, wait_until

#: Dramatiq's compositions are not annotated.
group: Any = dramatiq.group
pipeline: Any = dramatiq.pipeline


@pytest.fixture
def backend(stage: Stage) -> Any:
    return stage.use_results()


@pytest.fixture
def add(stage: Stage, backend: Any) -> Any:
    return stage.actor(lambda a, b: a + b, actor_name="add", store_results=True)


def test_a_pipeline_passes_each_result_on(stage: Stage, add: Any) -> None:
    stage.work()
    pipe = pipeline([add.message(1, 2), add.message(3), add.message(4)], broker=stage.broker).run()
    assert pipe.get_result(block=True) == 10
    assert list(pipe.get_results(block=True)) == [3, 6, 10]
    assert pipe.completed
    assert pipe.completed_count == 3


def test_a_pipeline_step_may_ignore_the_result_before_it(stage: Stage, add: Any) -> None:
    stage.work()
    pipe = add.message(1, 2) | add.message_with_options(args=(10, 20), pipe_ignore=True)
    assert pipe.run().get_result(block=True) == 30


def test_a_pipeline_may_be_delayed(stage: Stage, add: Any) -> None:
    stage.work()
    begun = time.monotonic()
    pipe = pipeline([add.message(1, 2), add.message(3)], broker=stage.broker).run(delay=120)
    with pytest.raises(ResultMissing):
        pipe.get_result()
    assert pipe.get_result(block=True) == 6
    assert time.monotonic() - begun >= 0.119


def test_a_pipeline_step_may_be_delayed(stage: Stage, add: Any) -> None:
    stage.work()
    begun = time.monotonic()
    pipe = pipeline(
        [add.message(1, 2), add.message_with_options(args=(3,), delay=120)], broker=stage.broker
    ).run()
    assert pipe.get_result(block=True) == 6
    assert time.monotonic() - begun >= 0.119


def test_a_pipeline_ends_where_a_step_fails(stage: Stage) -> None:
    seen: list[Any] = []

    @stage.actor(max_retries=0)
    def fail() -> int:
        raise ValueError

    take = stage.actor(seen.append, actor_name="take")
    pipeline([fail.message(), take.message()], broker=stage.broker).run()
    stage.work()
    stage.join()
    assert seen == []


def test_a_pipeline_continues_once_after_a_retried_step(stage: Stage) -> None:
    tries: list[int] = []
    seen: list[Any] = []

    @stage.actor(min_backoff=5, max_backoff=10)
    def fail_twice() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return "done"

    take = stage.actor(seen.append, actor_name="take")
    pipeline([fail_twice.message(), take.message()], broker=stage.broker).run()
    stage.work()
    stage.join()
    assert seen == ["done"]


def test_a_pipeline_may_cross_queues(stage: Stage, add: Any) -> None:
    far = stage.actor(
        lambda number: number * 2, actor_name="far", queue_name="far", store_results=True
    )
    stage.work()
    assert (
        pipeline([add.message(1, 2), far.message(), add.message(1)], broker=stage.broker)
        .run()
        .get_result(block=True)
        == 7
    )


def test_a_group_runs_all_and_gives_results_in_order(stage: Stage, add: Any) -> None:
    stage.work()
    each = group([add.message(number, 1) for number in range(10)], broker=stage.broker).run()
    assert list(each.get_results(block=True)) == list(range(1, 11))
    assert each.completed
    assert each.completed_count == 10


def test_a_group_may_hold_pipelines_and_groups(stage: Stage, add: Any) -> None:
    stage.work()
    inner = group([add.message(1, 1), add.message(2, 2)], broker=stage.broker)
    pipe = pipeline([add.message(1, 2), add.message(3)], broker=stage.broker)
    assert list(group([pipe, inner], broker=stage.broker).run().get_results(block=True)) == [
        6,
        [2, 4],
    ]


def test_a_group_may_be_delayed(stage: Stage, add: Any) -> None:
    stage.work()
    begun = time.monotonic()
    each = group([add.message(1, 1), add.message(2, 2)], broker=stage.broker).run(delay=120)
    assert list(each.get_results(block=True)) == [2, 4]
    assert time.monotonic() - begun >= 0.119


def test_a_completion_callback_runs_once_after_the_whole_group(stage: Stage) -> None:
    stage.use(GroupCallbacks(stage.limits()))
    done: list[int] = []
    called: list[int] = []
    take = stage.actor(done.append, actor_name="take")
    finish = stage.actor(lambda: called.append(len(done)), actor_name="finish")
    each = group([take.message(number) for number in range(20)], broker=stage.broker)
    each.add_completion_callback(finish.message())
    each.run()
    stage.work(threads=4)
    wait_until(lambda: called)
    stage.join()
    assert called == [20]


def test_a_completion_callback_waits_for_retried_members(stage: Stage) -> None:
    stage.use(GroupCallbacks(stage.limits()))
    tries: Counter[int] = Counter()
    called: list[int] = []

    @stage.actor(min_backoff=5, max_backoff=10)
    def fail_once(number: int) -> None:
        tries[number] += 1
        if number % 2 and tries[number] == 1:
            raise ValueError

    finish = stage.actor(lambda: called.append(sum(tries.values())), actor_name="finish")
    each = group([fail_once.message(number) for number in range(6)], broker=stage.broker)
    each.add_completion_callback(finish.message())
    each.run()
    stage.work()
    wait_until(lambda: called)
    stage.join()
    assert called == [9]


def test_a_completion_callback_waits_for_the_end_of_pipelines(stage: Stage) -> None:
    stage.use(GroupCallbacks(stage.limits()))
    seen: list[str] = []
    step = stage.actor(seen.append, actor_name="step")
    finish = stage.actor(lambda: seen.append("finish"), actor_name="finish")
    ignoring = step.message_with_options(args=("last",), pipe_ignore=True)
    each = group(
        [pipeline([step.message("first"), ignoring], broker=stage.broker), step.message("alone")],
        broker=stage.broker,
    )
    each.add_completion_callback(finish.message())
    each.run()
    stage.work(threads=1)
    wait_until(lambda: "finish" in seen)
    stage.join()
    assert seen[-1] == "finish"
    assert Counter(seen) == Counter(["first", "last", "alone", "finish"])


def test_every_completion_callback_is_called(stage: Stage) -> None:
    stage.use(GroupCallbacks(stage.limits()))
    called: list[str] = []
    take = stage.actor(lambda: None, actor_name="take")
    finish = stage.actor(called.append, actor_name="finish")
    each = group([take.message()], broker=stage.broker)
    for name in ("a", "b"):
        each.add_completion_callback(finish.message(name))
    each.run()
    stage.work(threads=1)
    wait_until(lambda: len(called) == 2)
    stage.join()
    assert called == ["a", "b"]


def test_a_message_is_a_pipeline_of_one(stage: Stage, add: Any) -> None:
    stage.work()
    message: dramatiq.Message[Any] = add.message(1, 2)
    assert pipeline([message], broker=stage.broker).run().get_result(block=True) == 3
