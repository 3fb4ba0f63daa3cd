"""Failpoints: what kills this process before or after the nth call of a step. Imported by the processes that tests kill, never by Stanine.

Steps are named by what Redis is asked to do: a function (`ack`), or a command (`XREADGROUP`).
"""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Step:
    """Where to die: `when` is before or after."""

    name: str
    nth: int
    when: str

    def __str__(self) -> str:
        return f"{self.when} {self.name} {self.nth}"

    @staticmethod
    def read(text: str) -> "Step | None":
        """Read what `str` wrote; nothing means not at all."""
        if not text:
            return None
        when, name, nth = text.split()
        return Step(name, int(nth), when)


class Doom:
    """Counts calls by step and dies at one of them, by SIGKILL: nothing is tidied up."""

    def __init__(self, step: Step | None) -> None:
        self.calls: Counter[str] = Counter()
        self._step = step
        self._lock = threading.Lock()

    @contextmanager
    def passing(self, name: str) -> Iterator[None]:
        """Pass a step: run the body as the call itself."""
        with self._lock:
            self.calls[name] += 1
            nth = self.calls[name]
        here = self._step is not None and (self._step.name, self._step.nth) == (name, nth)
        if here and self._step is not None and self._step.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        yield
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(
        self, name_of: Callable[..., str | None], call: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Return a call that passes the step that `name_of` says from its arguments; none if that is None."""

        def doomed(*args: Any, **more: Any) -> Any:
            name = name_of(*args, **more)
            if name is None:
                return call(*args, **more)
            with self.passing(name):
                return call(*args, **more)

        return doomed

    def wrap_async(
        self, name_of: Callable[..., str | None], call: Callable[..., Any]
    ) -> Callable[..., Any]:
        """As `wrap`, for a coroutine function."""

        async def doomed(*args: Any, **more: Any) -> Any:
            name = name_of(*args, **more)
            if name is None:
                return await call(*args, **more)
            with self.passing(name):
                return await call(*args, **more)

        return doomed

    def write_calls(self, path: Path) -> None:
        path.write_text(json.dumps(self.calls))


def steps_of(calls: dict[str, int], most: int) -> list[Step]:
    """Return every step up to the `most`-th call of each kind."""
    return [
        Step(name, nth, when)
        for name, count in sorted(calls.items())
        for nth in range(1, min(count, most) + 1)
        for when in ("before", "after")
    ]
