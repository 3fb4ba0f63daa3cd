"""kill -9 of the API, and of its database, in the middle of a bulk submission: every attempt is there once."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.serving import document
from tests.integration.whole.services import KEY, Services

from stanine.client import AttemptOutcome, AttemptRequest, Retry, RetryPolicy, Stanine

ROWS = 12_000
POLICY = RetryPolicy(patience=120, patience_unreached=120)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(tmp_path)
    services.start()
    try:
        services.await_ready()
        yield services
    finally:
        services.stop()


def lines(before: Callable[[int], None]) -> Iterator[AttemptRequest]:
    for number in range(ROWS):
        before(number)
        yield AttemptRequest({"i1": number % 5 + 1}, f"row-{number}")


def test_every_attempt_is_there_once_whatever_was_killed(services: Services) -> None:
    retries: list[Retry] = []
    restarts: list[Any] = []

    def kill(number: int) -> None:
        victim = {3_000: "api", 7_000: "valkey", 11_000: "api"}.get(number)
        if victim is None:
            return
        for thread in restarts:
            thread.join()
        services.kill(victim)  # requests are under way now

        def restart() -> None:
            time.sleep(0.3)
            services.start(victim)

        restarts.append(threading.Thread(target=restart))
        restarts[-1].start()

    with Stanine(services.url, KEY, retries=POLICY, on_retry=retries.append) as client:
        client.instruments.publish("a-mood", document(), wait=30)
        answers: list[AttemptOutcome] = list(client.attempts.submit_many("a-mood", lines(kill)))
        for thread in restarts:
            thread.join()
        assert [each.line for each in answers] == list(range(1, ROWS + 1))
        assert not [each for each in answers if each.problem]
        assert retries, "nothing was lost, so nothing was shown"
        again = list(client.attempts.submit_many("a-mood", lines(lambda _: None)))
        assert [each.attempt for each in again] == [each.attempt for each in answers]
        assert all(each.repeated for each in again)
        scored = list(client.attempts.wait_for("a-mood", answers, timeout=120))
        assert len(scored) == ROWS
        listed = [each.key for each in client.results.list("a-mood", on_history_change="continue")]
        assert len(listed) == ROWS
        assert set(listed) == {f"row-{number}" for number in range(ROWS)}
