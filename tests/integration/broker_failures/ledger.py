"""A ledger of what actors did, outside of Redis: a file that several processes append to."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Written when an actor starts, completes, and when the message was settled after success.
BEGUN, DONE, SETTLED = "begun", "done", "settled"


class Ledger:
    """Lines of `event key process .`, begun and ended by a line feed.

    An append that kill -9 interrupts may be incomplete at the end of a memory page: a line without its point does not
    count.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "ledger"
        self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._flags = directory

    def note(self, event: str, keys: Iterable[str]) -> None:
        lines = "".join(f"{event} {key} {os.getpid()} .\n" for key in keys)
        os.write(self._file, f"\n{lines}".encode())

    def is_first_time(self, what: str) -> bool:
        """Return whether no process has asked for this before."""
        try:
            os.close(os.open(self._flags / f"flag-{what}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def lines(self) -> list[tuple[str, str, int]]:
        words = (line.split() for line in self._path.read_text().splitlines())
        return [(line[0], line[1], int(line[2])) for line in words if line[3:] == ["."]]

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True)
class Account:
    """Evaluation of a ledger: how much was done, and how much of it more than once."""

    keys: int
    lost: frozenset[str]
    strange: frozenset[str]
    duplicates: int
    #: Repeated although it was settled.
    again: frozenset[str]

    def __str__(self) -> str:
        return f"{self.keys} messages, {len(self.lost)} lost, {self.duplicates} duplicates, {len(self.again)} of them of settled work"


def account(lines: list[tuple[str, str, int]], expected: set[str]) -> Account:
    """Compare a ledger with the messages sent."""
    done = Counter(key for event, key, _ in lines if event == DONE)
    settled: set[str] = set()
    again = set()
    for event, key, _ in lines:
        if event == SETTLED:
            settled.add(key)
        elif event == BEGUN and key in settled:
            again.add(key)
    return Account(
        len(expected),
        frozenset(expected - set(done)),
        frozenset(set(done) - expected),
        sum(done.values()) - len(done),
        frozenset(again),
    )
