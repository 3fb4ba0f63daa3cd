"""Inspect records without the queue: `stanine check` and the indexWatcher's sweep."""

import msgspec

from stanine.domain.errors import CorruptEntry
from stanine.domain.scoring.index import decode_entry, entry_version, is_intact
from stanine.store.index import Index
from stanine.store.instruments import History, InstrumentHistory
from stanine.store.keys import index_field
from stanine.store.sweep import Sweep


class DueEntry(msgspec.Struct, frozen=True):
    """An index entry that must be built, with its current bytes.

    `fault`: missing; stale (built from an older revision or engine); corrupt; or foreign (built from a document or
    number that the instrument does not have on this server).
    """

    name: str
    form: int
    revision: int
    fault: str
    data: bytes | None = None


class Inspection(msgspec.Struct, frozen=True):
    """The state of a namespace's records at one moment."""

    instruments: int
    attempts: int
    results: int
    #: Attempts without a result, and the arrival of the oldest (ms since 1970; None if there are none).
    unscored: int
    oldest_unscored: int | None
    #: `<name>/<form>` of invalid index entries, by fault.
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    corrupt: tuple[str, ...]


def due_entries(instruments: InstrumentHistory, index: Index, engine: int) -> list[DueEntry]:
    """Return the index entries that are missing or invalid.

    `engine` is the current engine version.
    """
    due = []
    for name in instruments.names():
        history = instruments.history(name)
        if history is None:
            continue
        for form, revision in history.newest_of_forms().items():
            data = index.read(name, form)
            fault = _fault(data, revision, engine) or _foreign(
                data, history, revision, instruments.digest(name, revision)
            )
            if fault:
                due.append(DueEntry(name, form, revision, fault, data))
    return due


def inspect(instruments: InstrumentHistory, index: Index, sweep: Sweep, engine: int) -> Inspection:
    """Inspect the records that the sweeps process. Writes nothing except the low-water mark."""
    waiting = list(sweep.all_unscored())
    due = due_entries(instruments, index, engine)

    def fields(fault: str) -> tuple[str, ...]:
        return tuple(index_field(each.name, each.form) for each in due if each.fault == fault)

    return Inspection(
        instruments=len(instruments.names()),
        attempts=sweep.arrivals(),
        results=sweep.committed(),
        unscored=len(waiting),
        oldest_unscored=min((each.arrived_at for each in waiting), default=None),
        missing=fields("missing"),
        stale=fields("stale"),
        corrupt=fields("corrupt") + fields("foreign"),
    )


def _fault(data: bytes | None, revision: int, engine: int) -> str | None:
    if data is None:
        return "missing"
    try:
        indexed, built_by = entry_version(data)
        if built_by != engine and is_intact(data):
            # A newer engine wrote the entry during a rollout: keep it.
            return "stale" if built_by < engine or indexed < revision else None
        decode_entry(data)
    except CorruptEntry:
        return "corrupt"
    return "stale" if indexed < revision else None


def _foreign(data: bytes | None, history: History, revision: int, digest: str | None) -> str | None:
    """Return whether an up-to-date entry was built from a document that the server has lost."""
    if data is None or digest is None:
        return None
    try:
        entry = decode_entry(data)
    except CorruptEntry:
        return None  # written by a newer engine
    return (
        None
        if (entry.number, entry.revision, entry.digest, entry.spans)
        == (history.number, revision, digest, history.spans(entry.form))
        else "foreign"
    )
