"""Constant load with a ledger: callers submit keyed attempts and record each answer."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

#: Concurrent callers, and seconds between two requests of one: about 150 requests a second in total.
CALLERS, PAUSE = 8, 0.04


def answers_of(key: str) -> dict[str, int]:
    """Return the answers of an attempt to the smoke test's instrument; they depend on its key only."""
    return {
        f"i{number}": byte % 5 + 1 for number, byte in enumerate(bytes.fromhex(key)[:4], start=1)
    }


def score_of(key: str) -> float:
    """Return the score of those answers: a sum with the third item reverse-keyed."""
    answers = answers_of(key)
    return float(answers["i1"] + answers["i2"] + 6 - answers["i3"] + answers["i4"])


class Ledger:
    """The submitted keys and the API's answers."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        #: The acknowledged attempt of each key.
        self.acknowledged: dict[str, str] = {}
        #: Keys acknowledged with two different attempts.
        self.conflicts: set[str] = set()
        #: Failed requests by kind of failure.
        self.failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def begin(self, key: str) -> None:
        with self._lock:
            self.sent.add(key)

    def fail(self, how: str) -> None:
        with self._lock:
            self.failures[how] += 1

    def acknowledge(self, key: str, attempt: str) -> None:
        with self._lock:
            if self.acknowledged.setdefault(key, attempt) != attempt:
                self.conflicts.add(key)


def call(url: str, api_key: str, ledger: Ledger, stop: threading.Event) -> None:
    """Submit attempts in sequence; count a failed request and repeat it with the same key."""
    with httpx.Client(
        base_url=url, headers={"authorization": f"Bearer {api_key}"}, timeout=20
    ) as client:
        while not stop.is_set():
            key = secrets.token_hex(8)
            ledger.begin(key)
            while not submit(client, key, ledger):
                time.sleep(0.2)
            stop.wait(PAUSE)


def submit(client: httpx.Client, key: str, ledger: Ledger) -> bool:
    """Submit an attempt; return whether it was acknowledged."""
    try:
        answer = client.post(
            "/v1/instruments/smoke-test/attempts", json={"key": key, "answers": answers_of(key)}
        )
    except httpx.TransportError as error:
        ledger.fail(type(error).__name__)
        return False
    if answer.status_code not in (200, 202):
        ledger.fail(str(answer.status_code))
        return False
    ledger.acknowledge(key, answer.json()["attempt"])
    return True


@contextmanager
def load(url: str, api_key: str) -> Iterator[Ledger]:
    """Generate load for the duration of the block."""
    ledger, stop = Ledger(), threading.Event()
    threads = [
        threading.Thread(target=call, args=(url, api_key, ledger, stop)) for _ in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
