"""Names the rows of a file uniquely: by key, otherwise by number. Called by `score`.

The keys of a file are checked for duplicates before scoring, so that nothing is written for an invalid file.
"""

from array import array
from typing import Any

import numpy as np

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.forms import Form
from stanine.cli.io.response_file import ResponseFile
from stanine.cli.io.responses import Responses

#: Duplicate keys listed in the message.
_NAMED = 10


class RowNames:
    """Names for rows without a key."""

    def __init__(self, hashes: "np.ndarray[Any, np.dtype[np.int64]] | None" = None) -> None:
        """`hashes`: hashes of all keys, sorted. A collision only adds an unneeded mark."""
        self._hashes = hashes

    def of(self, number: int) -> str:
        """Return the name of a row without a key: its number, after `#` if a key is the same."""
        name = str(number)
        while self._hashes is not None and self._holds(hash(name)):
            name = f"#{name}"
        return name

    def _holds(self, sought: int) -> bool:
        assert self._hashes is not None
        place = int(np.searchsorted(self._hashes, sought))
        return place < len(self._hashes) and int(self._hashes[place]) == sought


def check_keys(file: ResponseFile, form: Form) -> RowNames:
    """Read the keys of a file and return names for other rows.

    Raises InvalidInputError for a duplicate key, and the errors of `Sheet` and `Responses`.
    """
    rows = file.responses(form)
    if not rows.has_keys:
        return RowNames()
    found = array("q", (hash(key) for _, _, key in rows.read_keys() if key is not None))
    hashes = np.sort(np.frombuffer(found, dtype=np.int64)) if found else np.empty(0, np.int64)
    twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if twice:
        _refuse_repeated(file.responses(form), file.name, twice)
    return RowNames(hashes)


def _refuse_repeated(rows: Responses, name: str, hashes: set[int]) -> None:
    """Raise InvalidInputError if keys with these hashes are equal; hashes may collide."""
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
                    f"{name}:{line}:{rows.key_column}: the key is that of line {first[key]}; keys must be unique"
                )
        else:
            first[key] = line
    if count > _NAMED:
        lines.append(f"{name}: and {count - _NAMED} more rows with a key of an earlier one")
    if lines:
        raise InvalidInputError(*lines)
