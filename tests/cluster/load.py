"""Constant load with a ledger: callers that keep their connections, submit attempts under keys of their own, and write down each answer."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

#: Callers at the same time, and seconds between two requests of one: some 150 requests a second in all.
CALLERS, PAUSE = 8, 0.04


def answers_of(key: str) -> dict[str, int]:
    """Return what the attempt with a key answers to the smoke test's instrument: a person of its own for every key."""
    return {
        f"i{number}": byte % 5 + 1 for number, byte in enumerate(bytes.fromhex(key)[:4], start=1)
    }


def score_of(key: str) -> float:
    """Return what those answers score: a sum with the third item reversed."""
    answers = answers_of(key)
    return float(answers["i1"] + answers["i2"] + 6 - answers["i3"] + answers["i4"])


class Ledger:
    """What was sent and what was answered."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        #: The attempt that a key was acknowledged as.
        self.acknowledged: dict[str, str] = {}
        #: Keys that were acknowledged as two attempts.
        self.conflicts: set[str] = set()
        #: Requests that failed, by how.
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
    """Submit one attempt after another; one whose request failed is sent again under its key, as a caller would, and counted as failed."""
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
    """Send an attempt; tell whether it was acknowledged."""
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
    """Keep the load up for as long as the block lasts."""
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
