"""Verify that each stored result equals a fresh scoring and is listed once.

Called by `stanine check --scores`; read-only. Attempts are scored from the published documents, not from the index, so
that wrong index entries are detected. Concurrent writes are allowed: lists are read before and after the results,
attempts after their results.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import redis

from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_json
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store.blocks import IDS_FIELD, block_records
from stanine.store.errors import CorruptRecordError
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import (
    ARRIVAL_BYTES,
    ERASED,
    SCORED,
    StoredAttempt,
    StoredResult,
    random_at,
    read_attempt,
    read_result,
)
from stanine.store.sweep import Sweep

#: Blocks per round trip: 2,048 attempts, about 200 KB.
BLOCKS_PER_STEP = 64
#: Attempts listed by id; further ones are only counted.
MAX_LISTED = 20


class Findings(msgspec.Struct):
    """Attempts with a finding: the number, and the ids of the first."""

    count: int = 0
    attempts: list[str] = []

    def add(self, attempt_id: str) -> None:
        """Count an attempt, and list it if it is among the first."""
        self.count += 1
        if len(self.attempts) < MAX_LISTED:
            self.attempts.append(attempt_id)


class Audit(msgspec.Struct, rename="camel"):
    """Result of an audit. Lists are those that results are read from, in commit order."""

    #: Results that are equal, bit by bit.
    equal: int = 0
    #: Results that differ, or whose attempt is missing or unreadable.
    differing: Findings = msgspec.field(default_factory=Findings)
    #: Erased attempts.
    erased: int = 0
    #: Attempts with the state Failed.
    failed: int = 0
    #: Failed attempts that the newest scoring of their form can score.
    failed_though_sound: Findings = msgspec.field(default_factory=Findings)
    #: Results of another engine version, which are not compared.
    other_engine: int = 0
    #: Attempts whose revision's document is missing or unreadable.
    unexplained: Findings = msgspec.field(default_factory=Findings)
    #: Results listed never or more than once.
    unlisted: int = 0
    listed_twice: int = 0
    #: List entries without a result.
    listed_without_result: int = 0

    @property
    def is_sound(self) -> bool:
        """Return whether the audit has no findings."""
        return not (
            self.differing.count
            or self.failed_though_sound.count
            or self.unexplained.count
            or self.unlisted
            or self.listed_twice
            or self.listed_without_result
        )

    def findings(self) -> list[str]:
        """Return a line for each kind of finding, with attempt ids, which identify no person."""
        lines = [
            f"{which.count} attempts {what}: {', '.join(which.attempts)}{', …' if which.count > len(which.attempts) else ''}"
            for which, what in (
                (self.differing, "have a result that differs from a fresh scoring"),
                (self.failed_though_sound, "have failed, but can be scored"),
                (
                    self.unexplained,
                    "were scored by a revision that is missing or has another form",
                ),
            )
            if which.count
        ]
        return lines + [
            f"{count} {what}"
            for count, what in (
                (self.unlisted, "results are in no list"),
                (self.listed_twice, "results are in a list twice"),
                (self.listed_without_result, "entries of the lists have no result"),
            )
            if count
        ]


class Auditor:
    """Reads attempts and results block by block; memory is limited to one step."""

    def __init__(
        self, client: "redis.Redis", instruments: InstrumentHistory, sweep: Sweep, keys: Keys
    ) -> None:
        self._client: Any = client
        self._instruments = instruments
        self._sweep = sweep
        self._keys = keys
        self._kernels: dict[tuple[int, int, int], Kernel | None] = {}

    def audit(self) -> Audit:
        """Run the audit; raise redis-py's errors."""
        found = Audit()
        before, _ = self._listed()
        results: list[int] = []
        kept: list[int] = []
        for attempts, made in self._steps():
            results += made
            there = {
                arrival: record for arrival, record in made.items() if record[:1] != bytes([ERASED])
            }
            found.erased += len(made) - len(there)
            kept += there  # an erased attempt may lack a commit
            self._compare(attempts, there, found)
        after, twice = self._listed()
        found.listed_twice = twice
        found.unlisted = len(np.setdiff1d(np.array(kept, np.uint64), after))
        found.listed_without_result = len(np.setdiff1d(before, np.array(results, np.uint64)))
        return found

    def _steps(self) -> Iterator[tuple[dict[int, tuple[bytes, bytes]], dict[int, bytes]]]:
        """Yield the attempts (id and record) and results of some blocks, by arrival number."""
        blocks = -(-self._sweep.arrivals() // BLOCK_SIZE)
        for start in range(0, blocks, BLOCKS_PER_STEP):
            step = range(start, min(start + BLOCKS_PER_STEP, blocks))
            pipeline = self._client.pipeline(transaction=False)
            for block in step:
                pipeline.hgetall(self._keys.results(block))
            for block in step:
                pipeline.hgetall(self._keys.attempts(block))
            replies = pipeline.execute()
            results: dict[int, bytes] = {}
            attempts: dict[int, tuple[bytes, bytes]] = {}
            for block, found, records in zip(
                step, replies[: len(step)], replies[len(step) :], strict=True
            ):
                ids = records.get(IDS_FIELD.encode(), b"")
                results |= {
                    block * BLOCK_SIZE + slot: record
                    for slot, record in block_records(found).items()
                }
                for slot, record in block_records(records).items():
                    arrival = block * BLOCK_SIZE + slot
                    attempts[arrival] = (
                        random_at(ids, slot) + arrival.to_bytes(ARRIVAL_BYTES, "big"),
                        record,
                    )
            yield attempts, results

    def _compare(
        self, attempts: dict[int, tuple[bytes, bytes]], results: dict[int, bytes], found: Audit
    ) -> None:
        groups: dict[tuple[int, int, int], list[tuple[StoredAttempt, StoredResult]]] = {}
        for arrival, record in results.items():
            try:
                result = read_result(record)
            except CorruptRecordError:
                result = None
            try:
                attempt_id, stored = attempts[arrival]
                attempt = read_attempt(stored, attempt_id)
            except (KeyError, CorruptRecordError):
                attempt = None
            if result is not None and result.kind != SCORED:
                found.failed += 1
                if attempt is not None and self._is_sound(attempt):
                    found.failed_though_sound.add(attempt.id.hex())
            elif result is None or attempt is None:
                found.differing.add(f"the attempt that arrived as number {arrival}")
            elif result.engine != ENGINE_VERSION:
                found.other_engine += 1
            else:
                groups.setdefault(
                    (attempt.number, attempt.revision, result.scoring_revision), []
                ).append((attempt, result))
        for which, pairs in groups.items():
            kernel = self._kernel(*which)
            fresh = [] if kernel is None else _bodies(kernel, [attempt for attempt, _ in pairs])
            for place, (attempt, result) in enumerate(pairs):
                if kernel is None:
                    found.unexplained.add(attempt.id.hex())
                elif fresh[place] == result.body:
                    found.equal += 1
                else:
                    found.differing.add(attempt.id.hex())

    def _is_sound(self, attempt: StoredAttempt) -> bool:
        """Return whether the newest scoring of the attempt's form can score it."""
        name = self._instruments.name(attempt.number)
        history = self._instruments.history(name) if name is not None else None
        if history is None or not 0 < attempt.revision <= history.revision:
            return False
        scored_by = history.newest_of_forms().get(history.forms[attempt.revision - 1], 0)
        kernel = self._kernel(attempt.number, attempt.revision, scored_by)
        return kernel is not None and _bodies(kernel, [attempt]) != [None]

    def _kernel(self, number: int, answered: int, scored_by: int) -> Kernel | None:
        """Compile a revision's scoring from its document.

        None if it is missing or has another form.
        """
        which = (number, answered, scored_by)
        if which not in self._kernels:
            self._kernels[which] = self._compile(*which)
        return self._kernels[which]

    def _compile(self, number: int, answered: int, scored_by: int) -> Kernel | None:
        name = self._instruments.name(number)
        history = self._instruments.history(name) if name is not None else None
        if name is None or history is None or not 0 < answered <= scored_by <= history.revision:
            return None
        form = history.forms[scored_by - 1]
        stored = self._instruments.document(name, scored_by)
        if stored is None or history.forms[answered - 1] != form:
            return None
        try:
            instrument = parse_instrument(read_json(stored[0]), name=name)
        except InvalidDocument:
            return None
        return Kernel(
            build_entry(
                instrument, number=number, revision=scored_by, form=form, digest=stored[1]
            ).plan
        )

    def _listed(self) -> tuple[npt.NDArray[np.uint64], int]:
        """Return the sorted distinct arrival numbers of all lists, and the number of duplicates."""
        logged = b""
        for number in self._client.hkeys(self._keys.commits):
            chunk = 0
            while part := self._client.get(self._keys.commit_log(int(number), chunk)):
                logged += part
                chunk += 1
        parts = np.frombuffer(logged, np.dtype([("high", "u1"), ("low", ">u4")]))
        assert parts.itemsize == ARRIVAL_BYTES
        arrivals = parts["high"].astype(np.uint64) << np.uint64(32) | parts["low"].astype(np.uint64)
        once, counts = np.unique(arrivals, return_counts=True)
        return once, int((counts > 1).sum())


def _bodies(kernel: Kernel, attempts: Sequence[StoredAttempt]) -> list[bytes | None]:
    """Score attempts; None for each that cannot be scored."""
    width, has_texts = kernel.plan.row_bytes, kernel.plan.has_texts
    fits = [
        len(each.codes) == width or (has_texts and len(each.codes) > width) for each in attempts
    ]
    rows = b"".join(
        each.codes[:width] if fit else bytes(width)
        for each, fit in zip(attempts, fits, strict=True)
    )
    codes = np.frombuffer(rows, np.uint8).reshape(-1, width)
    unfit = {row for row, fit in enumerate(fits) if not fit}.union(kernel.unreadable(codes))
    sound = np.array([row for row in range(len(attempts)) if row not in unfit], np.intp)
    people = (
        kernel.columns([attempts[row].attributes for row in sound])
        if kernel.plan.needs_attributes
        else None
    )
    bodies: list[bytes | None] = [None] * len(attempts)
    for row, body in zip(sound, kernel.score(codes[sound], people).packed(), strict=True):
        bodies[row] = body
    return bodies
