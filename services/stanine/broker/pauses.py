"""Exponential pauses between retries. Used by the broker, the loops of runtime and the operator's work queue.

The client has its own (stanine.client.retries): it knows HTTP only.
"""

import random

#: Doublings after which a pause is longer than any limit.
_MOST_DOUBLINGS = 40


def pause_after(failures: int, first: float, longest: float) -> float:
    """Return the pause after consecutive failures: `first`, doubled for each further one up to `longest`."""
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)


class Pauses:
    """A sequence of pauses: starts at `first` seconds and doubles up to `longest`. Not thread-safe."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def next(self, longest: float | None = None) -> float:
        """Return the next pause in seconds; `longest` replaces the maximum of the following one."""
        pause = self._next
        self._next = min(self._longest if longest is None else longest, pause * 2)
        return pause

    def reset(self) -> None:
        """Start again at the first pause."""
        self._next = self._first


def jittered(pause: float) -> float:
    """Return half to all of a pause at random, so that clients do not retry simultaneously."""
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
