"""Check exported files against the accepted attempts, and cut an interrupted file. Used by exports.py."""

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ATTEMPT = re.compile(rb'"attempt":"([0-9a-f]{32})"')
#: Bytes read from the end of a file to find its last complete line; longer than any line.
_TAIL = 1 << 20
#: Ids are added modulo this, the range of an id.
_ID_RANGE = 1 << 128


@dataclass(frozen=True)
class Identities:
    """A multiset of attempts: how many, and the sum of their ids, which differs if one is replaced by another."""

    count: int = 0
    total: int = 0

    def add(self, attempts: Iterable[bytes | str]) -> "Identities":
        """Return the multiset with further ids, in hexadecimal."""
        count, total = self.count, self.total
        for attempt in attempts:
            count += 1
            total += int(attempt, 16)
        return Identities(count, total % _ID_RANGE)


def in_lines(file: Path) -> Identities:
    """Return the attempts of NDJSON."""
    with file.open("rb") as lines:
        return Identities().add(found[1] for line in lines if (found := _ATTEMPT.search(line)))


def in_table(file: Path) -> Identities:
    """Return the attempts of a CSV."""
    with file.open(newline="", encoding="utf-8") as lines:
        return Identities().add(row["attempt"] for row in csv.DictReader(lines))


def in_parquet(file: Path) -> Identities:
    """Return the attempts of a Parquet file."""
    import pyarrow.parquet  # noqa: PLC0415 - only this format needs it

    found = Identities()
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(columns=["attempt"]):
        found = found.add(batch.column(0).to_pylist())
    return found


def cut(file: Path) -> str:
    """Remove an incomplete last line and return the id of the last attempt; "" if there is none.

    In a CSV the id is the second cell; keys here have no commas.
    """
    with file.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        tail = stream.read()
        end = tail.rfind(b"\n") + 1
        stream.truncate(size - len(tail) + end)
    for line in reversed(tail[:end].splitlines()):
        if found := _ATTEMPT.search(line):
            return found[1].decode()
        cells = line.split(b",")
        if len(cells) > 1 and re.fullmatch(rb"[0-9a-f]{32}", cells[1]):
            return cells[1].decode()
    return ""
