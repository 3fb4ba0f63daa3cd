"""Producer identities: each numbers its calls, so that a repeated call has no further effect.

A call is repeated when its reply was lost and the client retries it, or when it was delayed in the network. A sender
makes one call at a time; a process has as many senders as concurrent calls. Used by the broker around every enqueueing
call.
"""

import os
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Sender:
    """A sender id and the number of its last call."""

    name: str
    number: int = 0


class Senders:
    """Pool of senders; safe for several threads and event loops, and across a fork."""

    def __init__(self) -> None:
        self._free: deque[Sender] = deque()
        self._process = os.getpid()

    @contextmanager
    def reserve(self) -> Iterator[Sender]:
        """Return a context manager with a sender reserved for one call, its number incremented."""
        if self._process != os.getpid():
            # The parent process keeps its senders: shared ones would make calls look like repetitions.
            self._free, self._process = deque(), os.getpid()
        free = self._free
        try:
            sender = free.pop()
        except IndexError:
            sender = Sender(secrets.token_hex(12))
        sender.number += 1
        try:
            yield sender
        finally:
            free.append(sender)
