"""One step of a re-scoring: read, score, compare, commit. Called by the actor in any worker thread.

Idempotent: the store commits a step once, and only if its attempts still have the results that were compared. Attempts
are scored by their form's newest revision at the start of the run (`result_comparison` has the rules). Erased attempts
stay erased.
"""

from collections.abc import Iterator, Sequence

import msgspec

from stanine.domain.statistics.rescoring import (
    ResultChanges,
    decode_changes,
    encode_changes,
    merge_changes,
)
from stanine.messages import RescoringStep
from stanine.result_watcher.result_comparison import NewScoring, Scored, compare
from stanine.store.errors import CorruptRecordError
from stanine.store.fresh_scoring import FreshScoring
from stanine.store.instruments import History, InstrumentHistory
from stanine.store.records import read_attempt
from stanine.store.rescoring import ListedCommit, Replacement, Rescoring, Rescorings, StepOutcome
from stanine.store.result_history import read_history
from stanine.store.result_layout import ERASED, FAILED, SCORED, StoredResult, read_result
from stanine.store.results import Results

#: Entries of the commit log per step: reading and committing them occupies the server for a few milliseconds each.
STEP_ENTRIES = 1024
#: How often a step is read again because its attempts changed while it was scored; only erasure changes them.
MAX_READS = 100


class StepTally(msgspec.Struct, frozen=True):
    """Result of a step, for metrics and logs."""

    attempts: int = 0
    changed: int = 0
    #: Why the run failed at this step.
    failed: str | None = None


class _Scorings(msgspec.Struct, frozen=True):
    """What the steps of a run share: the instrument's revisions, and compiled scorings.

    They are read again for another run, which may belong to other data.
    """

    run: bytes
    history: History
    fresh: FreshScoring


class Rescorer:
    """Does steps of runs. Thread-safe: a step shares nothing but compiled scorings."""

    def __init__(
        self, rescorings: Rescorings, results: Results, instruments: InstrumentHistory
    ) -> None:
        self._rescorings = rescorings
        self._results = results
        self._instruments = instruments
        self._last: _Scorings | None = None

    def do(self, step: RescoringStep) -> StepTally:
        """Do a step if it is due.

        Raises redis-py's errors, and RuntimeError if its attempts changed at every reading.
        """
        for _ in range(MAX_READS):
            run = self._rescorings.read(step.number)
            if run is None or run.step != step or run.state != "Running":
                return StepTally()  # messages are hints: the step was done, or the run has ended
            scorings = self._scorings(run)
            entries = self._rescorings.log(
                step.number, step.position, min(STEP_ENTRIES, run.total - step.position)
            )
            if scorings is None or not entries:
                reason = "InstrumentMissing" if scorings is None else "HistoryLost"
                self._rescorings.fail(step, reason)
                return StepTally(failed=reason)
            changes, found = self._compare(run, scorings, entries)
            report = encode_changes(merge_changes(decode_changes(run.report), found))
            outcome = self._rescorings.commit(
                step, step.position + len(entries), report, [] if run.dry_run else changes
            )
            if outcome is StepOutcome.COMMITTED:
                return StepTally(found.attempts, found.changed)
            if outcome is StepOutcome.PAST:
                return StepTally()
        raise RuntimeError("the attempts of a step changed at every reading")

    def _compare(
        self, run: Rescoring, scorings: _Scorings, entries: Sequence[ListedCommit]
    ) -> tuple[list[Replacement], ResultChanges]:
        """Return the changed results of a step, and their summary."""
        groups: dict[tuple[int, int, int], list[Scored]] = {}
        found = ResultChanges()
        for entry, result in _current(entries):
            try:
                attempt = read_attempt(entry.attempt or b"", entry.attempt_id)
            except CorruptRecordError:
                found = merge_changes(found, _unscorable([result]))
                continue
            groups.setdefault((attempt.revision, result.kind, result.scoring_revision), []).append(
                Scored(attempt, result, entry.result or b"")
            )
        changes: list[Replacement] = []
        for (answered, kind, earlier), group in groups.items():
            newest = _newest(run, scorings, answered)
            if newest is None:
                found = merge_changes(found, _unscorable([each.result for each in group]))
                continue
            before = (
                scorings.fresh.kernel(run.number, answered, earlier) if kind == SCORED else None
            )
            part, counted = compare(group, newest, before, self._results.new_commit())
            changes += part
            found = merge_changes(found, counted)
        return changes, found

    def _scorings(self, run: Rescoring) -> _Scorings | None:
        last = self._last
        if last is None or last.run != run.id:
            history = self._instruments.history(run.name)
            if history is None:
                return None
            last = self._last = _Scorings(run.id, history, FreshScoring(self._instruments))
        return last


def _newest(run: Rescoring, scorings: _Scorings, answered: int) -> NewScoring | None:
    """Return the run's scoring of a revision's form; None if there is none."""
    forms = scorings.history.forms
    by = run.scorings.get(forms[answered - 1]) if 0 < answered <= len(forms) else None
    if by is None:
        return None
    kernel = scorings.fresh.kernel(run.number, answered, by.revision, by.digest)
    return None if kernel is None else NewScoring(by.revision, kernel)


def _current(entries: Sequence[ListedCommit]) -> Iterator[tuple[ListedCommit, StoredResult]]:
    """Yield the entries that show an attempt's current result, once each, without erased attempts.

    An entry without a readable result is skipped: `stanine check --scores` reports it.
    """
    seen: set[bytes] = set()
    for entry in entries:
        if entry.result is None or entry.attempt_id in seen:
            continue
        try:
            result = read_result(entry.result)
            history = None if entry.history is None else read_history(entry.history)
        except CorruptRecordError:
            continue
        if history is not None and history.logged_at != entry.position:
            continue
        if result.kind != ERASED:
            seen.add(entry.attempt_id)
            yield entry, result


def _unscorable(results: Sequence[StoredResult]) -> ResultChanges:
    """Return the summary of attempts that cannot be scored by the run."""
    failed = sum(result.kind == FAILED for result in results)
    return ResultChanges(attempts=len(results), still_failed=failed, kept=len(results) - failed)
