"""Verify that each stored result equals a fresh scoring and is listed once.

Called by `stanine check --scores`; read-only. Attempts are scored from the published documents, not from the index, so
that wrong index entries are detected. Concurrent writes are allowed: lists are read before and after the results,
attempts after their results.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import redis

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store.blocks import IDS_FIELD, block_records
from stanine.store.errors import CorruptRecordError
from stanine.store.fresh_scoring import FreshScoring, score_bodies
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import ARRIVAL_BYTES, StoredAttempt, random_at, read_attempt
from stanine.store.result_history import read_history
from stanine.store.result_layout import COMMIT_BYTES, ERASED, SCORED, StoredResult, read_result
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
    #: Attempts whose results are listed never, or more often than they have results.
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
        self._scoring = FreshScoring(instruments)

    def audit(self) -> Audit:
        """Run the audit; raise redis-py's errors."""
        found = Audit()
        before, _ = self._listed()
        results: list[int] = []
        kept: list[int] = []
        listings: dict[int, int] = {}
        for attempts, made, more in self._steps():
            results += made
            listings |= more
            there = {
                arrival: record for arrival, record in made.items() if record[:1] != bytes([ERASED])
            }
            found.erased += len(made) - len(there)
            kept += there  # an erased attempt may lack a commit
            self._compare(attempts, there, found)
        after, counts = self._listed()
        often = {int(after[place]): int(counts[place]) for place in np.flatnonzero(counts > 1)}
        found.listed_twice = sum(
            count > listings.get(arrival, 1) for arrival, count in often.items()
        )
        found.unlisted = len(np.setdiff1d(np.array(kept, np.uint64), after))
        found.listed_without_result = len(np.setdiff1d(before, np.array(results, np.uint64)))
        return found

    def _steps(
        self,
    ) -> Iterator[tuple[dict[int, tuple[bytes, bytes]], dict[int, bytes], dict[int, int]]]:
        """Yield the attempts (id and record) and results of some blocks, by arrival number.

        And the number of listings of those that were re-scored.
        """
        blocks = -(-self._sweep.arrivals() // BLOCK_SIZE)
        for start in range(0, blocks, BLOCKS_PER_STEP):
            step = range(start, min(start + BLOCKS_PER_STEP, blocks))
            pipeline = self._client.pipeline(transaction=False)
            for block in step:
                pipeline.hgetall(self._keys.results(block))
            for block in step:
                pipeline.hgetall(self._keys.attempts(block))
            for block in step:
                pipeline.hgetall(self._keys.history(block))
            replies = pipeline.execute()
            results: dict[int, bytes] = {}
            attempts: dict[int, tuple[bytes, bytes]] = {}
            listings: dict[int, int] = {}
            for block, found, records, histories in zip(
                step, *(replies[i * len(step) : (i + 1) * len(step)] for i in range(3)), strict=True
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
                for slot, history in histories.items():
                    listings[block * BLOCK_SIZE + int(slot)] = _listings(history)
            for arrival, record in results.items():
                if record[:1] == bytes([ERASED]):
                    listings[arrival] = 1 + len(read_result(record).body) // COMMIT_BYTES
            yield attempts, results, listings

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
            kernel = self._scoring.kernel(*which)
            fresh = (
                [] if kernel is None else score_bodies(kernel, [attempt for attempt, _ in pairs])
            )
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
        kernel = self._scoring.kernel(attempt.number, attempt.revision, scored_by)
        return kernel is not None and score_bodies(kernel, [attempt]) != [None]

    def _listed(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]:
        """Return the sorted distinct arrival numbers of all lists, and how often each is listed."""
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
        return once, counts


def _listings(history: bytes) -> int:
    """Return how often a re-scored attempt is listed; 0 if its history is unreadable."""
    try:
        return 1 + len(read_history(history).earlier)
    except CorruptRecordError:
        return 0
