"""Scoring of a batch: load, score, commit. Called by the actor in any worker thread.

Idempotent: a result is committed only if its attempt has none, so a batch may be repeated, fully or partly. An attempt
that can never be scored ends as Failed with a reason and does not delay the rest of its batch.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from stanine.domain.scoring.index import IndexEntry
from stanine.domain.scoring.kernel import Codes, Kernel
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.messages import split_attempt_ids
from stanine.store.errors import CorruptRecordError, StaleViewError
from stanine.store.index import Index, IndexView
from stanine.store.instruments import InstrumentHistory
from stanine.store.records import (
    START_PLACE,
    TIME_BYTES,
    answers_of,
    is_halves,
    packed_size,
    participant_of,
    participant_of_record,
    plain_answers,
    read_attempt,
    read_start,
    unpack_answers,
)
from stanine.store.result_layout import failure_record, result_start
from stanine.store.results import Results

#: Maximum of compiled kernels kept, one per form in use; each takes a few hundred kilobytes at most.
MAX_KERNELS = 512


class UnindexedBatchError(Exception):
    """Some attempts of a batch have no index entry yet: temporary, the batch is retried."""


class Tally(msgspec.Struct):
    """Result of a batch, for metrics and logs."""

    scored: int = 0
    failed: int = 0
    already: int = 0
    unknown: int = 0
    scoring_seconds: float = 0.0


class _Group(msgspec.Struct):
    """The attempts of a batch that belong to one instrument revision."""

    ids: list[bytes]
    records: list[bytes]


class BatchScorer:
    """Scores batches. Thread-safe: threads share the index cache and the compiled kernels."""

    def __init__(
        self,
        results: Results,
        index: Index,
        instruments: InstrumentHistory,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._results = results
        self._index = index
        self._instruments = instruments
        self._clock = clock
        self._kernels: dict[tuple[str, int, int], Kernel] = {}

    def score(self, packed_ids: bytes) -> Tally:
        """Score attempts and commit results.

        Raises UnindexedBatchError if some attempts have no index entry yet. If the server returns with different data
        during the batch, the attempts are loaded again and scored with the index of that data.
        """
        tally = Tally()
        while True:
            try:
                self._score(packed_ids, tally)
            except StaleViewError:
                self._index.refresh()
            else:
                return tally

    def _score(self, packed_ids: bytes, tally: Tally) -> None:
        ids = list(dict.fromkeys(split_attempt_ids(packed_ids)))
        loaded = self._results.load(ids)
        self._index.refresh(loaded.view)
        view = self._index.entries.now
        groups: dict[bytes, _Group] = {}
        for attempt_id, record in zip(ids, loaded.records, strict=True):
            if record is None:
                tally.unknown += 1  # messages are hints: the attempt does not exist (any more)
                continue
            start = record[START_PLACE]
            group = groups.get(start)
            if group is None:
                group = groups[start] = _Group([], [])
            group.ids.append(attempt_id)
            group.records.append(record)
        waiting = 0
        for start, group in groups.items():
            waiting += self._score_group(view, start, group, tally)
        if waiting:
            raise UnindexedBatchError(f"{waiting} attempts of the batch have no index entry yet")

    def _score_group(self, view: IndexView, start: bytes, group: _Group, tally: Tally) -> int:
        """Score and commit the attempts of one revision; return how many lack an index entry."""
        try:
            number, revision = read_start(start)
        except CorruptRecordError:
            # Without an instrument there is no list of results to commit to; number 0 is unused.
            self._fail(view, 0, group, "CorruptAttempt", tally)
            return 0
        entry = view.numbered(number, revision)
        if entry is None:
            reason = self._permanent_failure(number, revision)
            if reason is None:
                return len(group.ids)
            self._fail(view, number, group, reason, tally)
            return 0
        layout, width = start[0], entry.plan.row_bytes
        participants: dict[int, str] = {}
        attribute_rows: list[Mapping[str, Any]] | None = None
        packed = None if entry.plan.has_texts else plain_answers(group.records, width)
        if packed is not None:
            codes = _matrix(layout, packed, width)
        elif entry.plan.has_texts or entry.plan.needs_attributes:
            group, codes, participants, attribute_rows = self._read_whole(
                view, number, entry, group, tally
            )
        else:
            group, packed, participants = self._read(view, number, width, group, tally)
            codes = _matrix(layout, packed, width)
        if group.ids:
            began = self._clock()
            bodies = self._bodies(entry, codes, attribute_rows)
            tally.scoring_seconds += self._clock() - began
            commit = self._results.new_commit()
            head = result_start(ENGINE_VERSION, entry.revision, commit)
            failures = bodies.count(None)
            if failures:
                failure = failure_record(ENGINE_VERSION, "NotScorable", commit)
                records = [failure if body is None else head + body for body in bodies]
                committed = self._results.commit(
                    number, group.ids, records, participants, view.view
                )
            else:
                scored = [body for body in bodies if body is not None]
                committed = self._results.commit(
                    number, group.ids, scored, participants, view.view, head
                )
            tally.already += len(group.ids) - committed
            tally.failed += failures
            tally.scored += max(0, committed - failures)
        return 0

    def _read(
        self, view: IndexView, number: int, items: int, group: _Group, tally: Tally
    ) -> tuple[_Group, bytes, dict[int, str]]:
        """Return sound records, their packed answers and their participants; fail corrupt ones."""
        sound, corrupt, answers = _Group([], []), _Group([], []), []
        participants: dict[int, str] = {}
        layout = group.records[0][TIME_BYTES]
        size = packed_size(layout, items)
        for attempt_id, record in zip(group.ids, group.records, strict=True):
            count, packed, rest = answers_of(record)
            try:
                participant = participant_of(layout, rest)
            except CorruptRecordError:
                count = -1
            if count != items or len(packed) != size:
                corrupt.ids.append(attempt_id)
                corrupt.records.append(record)
                continue
            if participant is not None:
                participants[len(sound.ids)] = participant
            sound.ids.append(attempt_id)
            sound.records.append(record)
            answers.append(packed)
        if corrupt.ids:
            self._fail(view, number, corrupt, "CorruptAttempt", tally)
        return sound, b"".join(answers), participants

    def _read_whole(
        self, view: IndexView, number: int, entry: IndexEntry, group: _Group, tally: Tally
    ) -> tuple[_Group, Codes, dict[int, str], list[Mapping[str, Any]]]:
        """Like `_read`, for forms with texts or scores that depend on attributes.

        Also return these.
        """
        sound, corrupt = _Group([], []), _Group([], [])
        rows: list[bytes] = []
        participants: dict[int, str] = {}
        attribute_rows: list[Mapping[str, Any]] = []
        width, has_texts = entry.plan.row_bytes, entry.plan.has_texts
        for attempt_id, record in zip(group.ids, group.records, strict=True):
            try:
                attempt = read_attempt(record, attempt_id)
            except CorruptRecordError:
                attempt = None
            if (
                attempt is None
                or len(attempt.codes) < width
                or (len(attempt.codes) > width and not has_texts)
            ):
                corrupt.ids.append(attempt_id)
                corrupt.records.append(record)
                continue
            if attempt.participant is not None:
                participants[len(sound.ids)] = attempt.participant
            sound.ids.append(attempt_id)
            sound.records.append(record)
            rows.append(attempt.codes[:width])
            attribute_rows.append(attempt.attributes)
        if corrupt.ids:
            self._fail(view, number, corrupt, "CorruptAttempt", tally)
        return (
            sound,
            np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, width),
            participants,
            attribute_rows,
        )

    def _bodies(
        self, entry: IndexEntry, codes: Codes, attribute_rows: Sequence[Mapping[str, Any]] | None
    ) -> list[bytes | None]:
        """Score all rows at once.

        If that fails, score each row alone, to isolate invalid attempts.
        """
        kernel = self._kernel(entry)
        try:
            return list(_score(kernel, codes, attribute_rows))
        except (ValueError, ArithmeticError, IndexError, TypeError):
            bodies: list[bytes | None] = []
            for row in range(len(codes)):
                try:
                    bodies.extend(
                        _score(
                            kernel,
                            codes[row : row + 1],
                            None if attribute_rows is None else attribute_rows[row : row + 1],
                        )
                    )
                except (ValueError, ArithmeticError, IndexError, TypeError):
                    bodies.append(None)
            return bodies

    def _kernel(self, entry: IndexEntry) -> Kernel:
        which = (entry.digest, entry.form, entry.revision)
        kernel = self._kernels.get(which)
        if kernel is None:
            if len(self._kernels) >= MAX_KERNELS:
                self._kernels.clear()
            kernel = self._kernels[which] = Kernel(entry.plan)
        return kernel

    def _fail(self, view: IndexView, number: int, group: _Group, reason: str, tally: Tally) -> None:
        failures = [failure_record(ENGINE_VERSION, reason, self._results.new_commit())] * len(
            group.ids
        )
        named = {place: participant_of_record(record) for place, record in enumerate(group.records)}
        participants = {
            place: participant for place, participant in named.items() if participant is not None
        }
        committed = self._results.commit(number, group.ids, failures, participants, view.view)
        tally.failed += committed
        tally.already += len(group.ids) - committed

    def _permanent_failure(self, number: int, revision: int) -> str | None:
        """Return why an attempt can never be scored; None if its index entry may still be built."""
        name = self._instruments.name(number)
        history = self._instruments.history(name) if name is not None else None
        if history is None:
            return "InstrumentMissing"
        return "RevisionMissing" if not 0 < revision <= history.revision else None


def _matrix(layout: int, packed: bytes, width: int) -> Codes:
    """Return the unpacked answers of several attempts as a matrix, one row per attempt."""
    codes = np.frombuffer(unpack_answers(layout, packed), dtype=np.uint8)
    return codes.reshape(-1, width + width % 2 if is_halves(layout) else width)[:, :width]


def _score(
    kernel: Kernel, codes: Codes, attribute_rows: Sequence[Mapping[str, Any]] | None
) -> list[bytes]:
    if kernel.unreadable(codes):
        raise ValueError("an attempt contains a code that its item does not define")
    return kernel.score(
        codes, None if attribute_rows is None else kernel.columns(attribute_rows)
    ).packed()
