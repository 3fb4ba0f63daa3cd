"""The erasure journal's file next to the backups: append, prune, read. Called by `stanine backup` and `stanine restore`.

One entry a line, as JSON. The first line of a file that was pruned is a mark, an entry with `pruned`: from its id on
the file is complete, before it entries were removed that no kept backup needs. Everything is done under a lock on the
file; pruning replaces the file by one that is on the disk, so a process that dies leaves the old or the new one.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from stanine.store.journal import ATTEMPT_BYTES, JournalEntry
from stanine.store.keys import INVITATION_BYTES

#: Milliseconds by which entries are kept longer than the oldest backup needs: an entry is written before the erasure
#: that it names, which an interrupted order may complete later, and clocks differ. A week of entries is small.
MARGIN_MS = 7 * 86_400_000
#: Mode of the file: the group of the backups may read it.
_MODE = 0o640
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class DamagedJournalError(Exception):
    """A line of a journal cannot be read; the message names file and line."""


class Journal(msgspec.Struct, frozen=True):
    """The entries of a file. `complete_from`: time (ms) before which entries were removed; 0: none were."""

    entries: list[JournalEntry]
    complete_from: int = 0


def append_new(path: Path, entries: Iterable[JournalEntry]) -> int:
    """Append the entries that a file does not have, in order, and sync it; return their number.

    Whole lines are compared, not ids alone: a server that lost data may give an id again. Entries that were pruned are
    not appended again. An incomplete last line, of a process that died, is replaced.
    """
    found = list(entries)
    with _locked(path) as file:
        lines, end = _whole_lines(file)
        file.truncate(end)
        complete_from = _mark_of(lines)
        # A server whose newest entry is older than the mark has lost data or a wrong clock: all of them may be new.
        if found and _milliseconds(found[-1]) < complete_from:
            complete_from = 0
        known, added = set(lines), 0
        for entry in found:
            line = msgspec.json.encode(entry)
            if line not in known and _milliseconds(entry) >= complete_from:
                file.write(line + b"\n")
                added += 1
        file.flush()
        os.fsync(file.fileno())
    return added


def prune(
    path: Path, newest_in_backups: Sequence[str | None], on_server: Sequence[JournalEntry]
) -> int:
    """Remove the entries that no kept backup needs; return their number.

    `newest_in_backups`: for each kept backup the id of the newest entry on its server, None if unknown: then nothing is
    removed. An entry is removed if it is older than each of them by MARGIN_MS, and if the server has it, or is known to
    have removed it by age: a server that has lost an entry has the person's data.
    """
    if None in newest_in_backups or not newest_in_backups or not on_server:
        return 0
    start = min(_place(each or "")[0] for each in newest_in_backups) - MARGIN_MS
    known, oldest = {msgspec.json.encode(entry) for entry in on_server}, _place(on_server[0].id)
    with _locked(path) as file:
        lines, _ = _whole_lines(file)
        complete_from = _mark_of(lines)
        kept = []
        for line in lines:
            entry = _decode_or_none(line)
            if entry is None:
                kept.append(line)  # damaged: `read_journal` names it
            elif not entry.pruned and not (
                _milliseconds(entry) < start and (line in known or _place(entry.id) < oldest)
            ):
                kept.append(line)
        removed = len(lines) - len(kept) - bool(complete_from)
        if removed:
            mark = JournalEntry(f"{max(start, complete_from)}-0", pruned=True)
            _replace(path, [msgspec.json.encode(mark), *kept])
    return removed


def read_journal(path: Path) -> Journal:
    """Return the entries of a file; raise DamagedJournalError, OSError.

    An incomplete last line is skipped: its entry is copied again by the next job.
    """
    found, complete_from = [], 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = msgspec.json.decode(line, type=JournalEntry)
                _check(entry)
            except (msgspec.MsgspecError, ValueError) as error:
                raise DamagedJournalError(f"{path}:{number}: {error}") from None
            if entry.pruned:
                complete_from = max(complete_from, _milliseconds(entry))
            else:
                found.append(entry)
    return Journal(found, complete_from)


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open the file for reading and appending, and hold its lock. It is opened again if it was replaced before."""
    import fcntl  # noqa: PLC0415 - Windows has none, and imports this module for the help

    while True:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                os.fchmod(file.fileno(), _MODE)
                yield file
                return


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _whole_lines(file: IO[bytes]) -> tuple[list[bytes], int]:
    """Return the complete lines of a file without their ends, and the place after them."""
    file.seek(0)
    lines, end = [], 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        lines.append(line.rstrip(b"\n"))
        end += len(line)
    return lines, end


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    """Replace the file by one with these lines, which is on the disk before it has the name."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        os.fchmod(file.fileno(), _MODE)
        file.writelines(line + b"\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _decode_or_none(line: bytes) -> JournalEntry | None:
    try:
        entry = msgspec.json.decode(line, type=JournalEntry)
        _check(entry)
    except (msgspec.MsgspecError, ValueError):
        return None
    return entry


def _mark_of(lines: Sequence[bytes]) -> int:
    """Return the time (ms) from which a file is complete, by its mark; 0 without one."""
    first = _decode_or_none(lines[0]) if lines else None
    return _milliseconds(first) if first is not None and first.pruned else 0


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, number = entry_id.split("-")
    return int(milliseconds), int(number)


def _milliseconds(entry: JournalEntry) -> int:
    return _place(entry.id)[0]


def _check(entry: JournalEntry) -> None:
    if not _ENTRY_ID.fullmatch(entry.id):
        raise ValueError(f"{entry.id!r} is no id of an entry")
    named: list[Any] = [(attempt, ATTEMPT_BYTES) for attempt in entry.attempts]
    if entry.invitation:
        named.append((entry.invitation, INVITATION_BYTES))
    for text, size in named:
        if len(bytes.fromhex(text)) != size:
            raise ValueError(f"{text!r} is no id")
