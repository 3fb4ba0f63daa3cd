"""kill -9 of the API, and of its database, during a bulk submission and while people fill in sessions: everything is there once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.serving import document
from tests.integration.whole.services import KEY, Services

from stanine.client import (
    AttemptOutcome,
    AttemptRequest,
    InvitationRequest,
    Retry,
    RetryPolicy,
    Stanine,
)

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


def test_every_invited_person_has_one_attempt_with_the_last_answers(services: Services) -> None:
    people = 60
    retries: list[Retry] = []
    ended = threading.Event()

    def disturb() -> None:
        for victim in ("api", "valkey", "api"):
            if ended.wait(0.5):
                return
            services.kill(victim)
            time.sleep(0.3)
            services.start(victim)

    with Stanine(services.url, KEY, retries=POLICY, on_retry=retries.append) as client:
        client.instruments.publish("a-mood", document(), wait=30)

        def fill_in(number: int) -> str:
            request = InvitationRequest(key=f"person-{number}")
            code = client.invitations.create("a-mood", request).code
            session = client.sessions.open("a-mood", code=code)
            assert session.token is not None
            for seq in range(1, 6):
                answers = {"i1": seq, "i2": number % 5 + 1}
                client.sessions.save(session.session, token=session.token, seq=seq, answers=answers)
            return client.sessions.submit(session.session, token=session.token).attempt

        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        with ThreadPoolExecutor(6) as pool:
            attempts = list(pool.map(fill_in, range(people)))
        ended.set()
        disturbing.join()
        assert retries, "nothing was lost, so nothing was shown"
        found = [client.attempts.get(attempt) for attempt in attempts]
        assert [each.key for each in found] == [f"person-{number}" for number in range(people)]
        assert [(each.answers["i1"], each.answers["i2"]) for each in found] == [
            (5, number % 5 + 1) for number in range(people)
        ]
        for attempt in attempts:
            client.results.wait_for(attempt, timeout=60)
        assert len(list(client.results.list("a-mood", on_history_change="continue"))) == people
        assert [each.uses for each in client.invitations.list("a-mood")] == [1] * people
