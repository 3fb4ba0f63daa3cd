"""What each row of a file of responses is called: its key, else its number, never two rows alike. Called by `score`.

A file with keys is looked through once before it is scored, so that a repeated key is known before anything is written.
"""

from array import array
from typing import IO, Any

import numpy as np

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.responses import Form, Responses
from stanine.cli.io.sheet import Sheet

#: Repeated keys that are named.
_NAMED = 10


class RowNames:
    """The names of rows without a key."""

    def __init__(self, hashes: "np.ndarray[Any, np.dtype[np.int64]] | None" = None) -> None:
        """`hashes` are those of all keys of the file, in order. Two keys may share one; a number then has a mark without need."""
        self._hashes = hashes

    def of(self, number: int) -> str:
        """Return the name of a row without a key: its number, with `#` before it if that is another row's key."""
        name = str(number)
        while self._hashes is not None and self._holds(hash(name)):
            name = f"#{name}"
        return name

    def _holds(self, sought: int) -> bool:
        assert self._hashes is not None
        place = int(np.searchsorted(self._hashes, sought))
        return place < len(self._hashes) and int(self._hashes[place]) == sought


def look_through(stream: IO[bytes], name: str, form: Form) -> RowNames:
    """Read the keys of a file, leave the stream where it was, and return the names of the rows that have none.

    Raises InvalidInputError for a key that two rows have, and for what `Sheet` and `Responses` refuse.
    """
    start = stream.tell()
    try:
        rows = Responses(Sheet(stream, name), form)
        if not rows.has_keys:
            return RowNames()
        found = array("q", (hash(key) for _, _, key in rows.read_keys() if key is not None))
        hashes = np.sort(np.frombuffer(found, dtype=np.int64)) if found else np.empty(0, np.int64)
        twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if twice:
            stream.seek(start)
            _refuse_repeated(Responses(Sheet(stream, name), form), name, twice)
        return RowNames(hashes)
    finally:
        stream.seek(start)


def _refuse_repeated(rows: Responses, name: str, hashes: set[int]) -> None:
    """Raise InvalidInputError if keys of these hashes are the same; two keys may share one by chance."""
    first: dict[str, int] = {}
    lines: list[str] = []
    count = 0
    for _, line, key in rows.read_keys():
        if key is None or hash(key) not in hashes:
            continue
        if key in first:
            count += 1
            if count <= _NAMED:
                lines.append(
                    f"{name}:{line}:{rows.key_column}: the key is that of line {first[key]}; every row needs its own"
                )
        else:
            first[key] = line
    if count > _NAMED:
        lines.append(f"{name}: and {count - _NAMED} more rows with a key of an earlier one")
    if lines:
        raise InvalidInputError(*lines)
