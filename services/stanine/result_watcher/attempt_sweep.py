"""Sweep of attempts: requeues attempts whose message was lost, and fails those requeued too often.

Messages are hints and may be lost (a purged queue, a restore, a dead letter); the records determine what is due. Runs
at start and then every few seconds. Concurrent sweeps of several resultWatchers only send duplicate hints.
"""

from collections.abc import Iterable

import msgspec

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store.records import number_of_record, participant_of_record
from stanine.store.result_layout import failure_record
from stanine.store.results import Results
from stanine.store.sweep import Sweep, Unscored

#: Maximum of attempts requeued per sweep, so that a sweep after a large loss takes less than a second.
MAX_REQUEUES_A_SWEEP = 20_000


class Swept(msgspec.Struct, frozen=True):
    """Result of a sweep."""

    requeued: int
    failed: int


def forgotten(waiting: Iterable[Unscored], oldest_message: int | None) -> list[Unscored]:
    """Return the attempts without a message: last queued before the oldest message (ms).

    `waiting` is in order of arrival, so the search ends at the first attempt that is younger than every message.
    """
    found = []
    for each in waiting:
        if oldest_message is not None and each.arrived_at >= oldest_message:
            break
        if oldest_message is None or each.queued_at < oldest_message:
            found.append(each)
            if len(found) >= MAX_REQUEUES_A_SWEEP:
                break
    return found


def sweep_attempts(
    sweep: Sweep, results: Results, oldest_message: int | None, max_requeues: int
) -> Swept:
    """Requeue the forgotten attempts; fail those that were requeued `max_requeues` times."""
    sweep.forget_requeues()
    due = forgotten(sweep.unscored(), oldest_message)
    exhausted = [each for each in due if each.requeues >= max_requeues]
    for each in exhausted:
        number = number_of_record(each.record)
        participant = participant_of_record(each.record)
        failure = failure_record(ENGINE_VERSION, "NotDeliverable", results.new_commit())
        results.commit(
            number, [each.id], [failure], {} if participant is None else {0: participant}, ""
        )
    again = [each.id for each in due if each.requeues < max_requeues]
    return Swept(requeued=results.requeue(again), failed=len(exhausted))
