"""Constant load with a ledger: callers that keep their connections, submit attempts under keys of their own, and write down each answer."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

#: Callers at the same time, and seconds between two requests of one: some 200 requests a second in all.
CALLERS, PAUSE = 8, 0.04
#: What the smoke test's instrument takes.
ANSWERS = {"i1": 5, "i2": 4, "i3": 1, "i4": 3}


class Ledger:
    """What was sent and what was answered."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        #: Requests that failed, by how.
        self.failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, key: str, failure: str | None) -> None:
        with self._lock:
            self.sent.add(key)
            if failure is None:
                self.acknowledged.add(key)
            else:
                self.failures[failure] += 1


def call(url: str, api_key: str, ledger: Ledger, stop: threading.Event) -> None:
    """Submit one attempt after another; one whose request failed is sent again under its key, as a caller would, and counted as failed."""
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {api_key}"}, timeout=20) as client:
        while not stop.is_set():
            key = secrets.token_hex(8)
            while True:
                failure = None
                try:
                    answer = client.post("/v1/instruments/smoke-test/attempts", json={"key": key, "answers": ANSWERS})
                    if answer.status_code not in (200, 202):
                        failure = str(answer.status_code)
                except httpx.TransportError as error:
                    failure = type(error).__name__
                ledger.note(key, failure)
                if failure is None:
                    break
                time.sleep(0.2)
            stop.wait(PAUSE)


@contextmanager
def load(url: str, api_key: str) -> Iterator[Ledger]:
    """Keep the load up for as long as the block lasts."""
    ledger, stop = Ledger(), threading.Event()
    threads = [threading.Thread(target=call, args=(url, api_key, ledger, stop)) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
