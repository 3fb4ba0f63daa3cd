"""The Results middleware: results and exceptions of actors, and when they are available."""

import time
from typing import Any

import dramatiq
import pytest
from dramatiq.results import ResultFailure, ResultMissing, ResultTimeout
from tests.integration.broker_contract.stage import Stage


@pytest.fixture
def backend(stage: Stage) -> Any:
    return stage.use_results()


def test_a_result_is_stored(stage: Stage, backend: Any) -> None:
    add = stage.actor(lambda a, b: a + b, actor_name="add", store_results=True)
    sent = add.send(1, 2)
    with pytest.raises(ResultMissing):
        sent.get_result(backend=backend)
    stage.work()
    assert sent.get_result(backend=backend, block=True) == 3


def test_none_is_a_result(stage: Stage, backend: Any) -> None:
    sent = stage.actor(lambda: None, actor_name="take", store_results=True).send()
    stage.work()
    assert sent.get_result(backend=backend, block=True) is None


def test_waiting_for_a_result_ends(stage: Stage, backend: Any) -> None:
    sent = stage.actor(lambda: None, actor_name="take", store_results=True).send()
    with pytest.raises(ResultTimeout):
        sent.get_result(backend=backend, block=True, timeout=50)


def test_a_message_may_request_its_result(stage: Stage, backend: Any) -> None:
    sent = stage.actor(lambda: 1, actor_name="take").send_with_options(store_results=True)
    stage.work()
    assert sent.get_result(backend=backend, block=True) == 1


def test_a_result_expires(stage: Stage, backend: Any) -> None:
    sent = stage.actor(lambda: 1, actor_name="take", store_results=True, result_ttl=1000).send()
    stage.work()
    assert sent.get_result(backend=backend, block=True) == 1
    time.sleep(1.05)
    with pytest.raises(ResultMissing):
        sent.get_result(backend=backend)


def test_a_failure_is_a_result_with_type_and_text(stage: Stage, backend: Any) -> None:
    @stage.actor(store_results=True, max_retries=0)
    def fail() -> None:
        raise ValueError("the text")

    sent = fail.send()
    stage.work()
    with pytest.raises(ResultFailure, match="the text") as failure:
        sent.get_result(backend=backend, block=True)
    assert (failure.value.orig_exc_type, failure.value.orig_exc_msg) == ("ValueError", "the text")


def test_a_failure_is_stored_only_when_no_retry_is_left(stage: Stage, backend: Any) -> None:
    tries: list[int] = []

    @stage.actor(store_results=True, max_retries=3, min_backoff=5, max_backoff=10)
    def fail_twice() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return "done"

    sent = fail_twice.send()
    stage.work()
    assert sent.get_result(backend=backend, block=True) == "done"


def test_a_message_too_old_has_a_failure_as_its_result(stage: Stage, backend: Any) -> None:
    sent = stage.actor(lambda: 1, actor_name="take", store_results=True, max_age=1).send()
    time.sleep(0.01)
    stage.work()
    with pytest.raises(ResultFailure, match="age limit"):
        sent.get_result(backend=backend, block=True)


def test_a_skipped_message_has_none_as_its_result(stage: Stage, backend: Any) -> None:
    class Skip(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise dramatiq.middleware.SkipMessage

    stage.use(Skip())
    sent = stage.actor(lambda: 1, actor_name="take", store_results=True).send()
    stage.work()
    assert sent.get_result(backend=backend, block=True) is None
