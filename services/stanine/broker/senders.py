"""Who makes a producer's calls: each has a name of its own and numbers them, so that one which comes again does nothing twice.

A call may come again when its reply was lost and the client repeats it, or when it lay on the way for long. A name makes one call at a
time; there are as many as the process made calls at once. Used by the broker around every call that enqueues.
"""

import os
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Sender:
    """One name and the number of its last call."""

    name: str
    number: int = 0


class Senders:
    """Lends senders; safe from several threads and event loops, and across a fork."""

    def __init__(self) -> None:
        self._free: deque[Sender] = deque()
        self._process = os.getpid()

    @contextmanager
    def lend(self) -> Iterator[Sender]:
        """Lend a sender for one call, its number raised; nobody else has it meanwhile."""
        if self._process != os.getpid():
            # The parent goes on with its own: with them, what either sends would look like the other's repetition.
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
