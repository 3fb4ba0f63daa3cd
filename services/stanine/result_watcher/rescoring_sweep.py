"""Sweep of re-scorings: requeues steps whose message was lost, and fails runs whose step was requeued too often.

Called by the resultWatcher's sweep. Duplicate messages of a step are harmless: it is committed once.
"""

from stanine.store.rescoring import Rescorings


def sweep_rescorings(rescorings: Rescorings, oldest_message: int | None, max_requeues: int) -> int:
    """Requeue the steps that were queued before the queue's oldest message (ms); return their number."""
    return sum(
        rescorings.requeue(run.step, max_requeues)
        for run in rescorings.running()
        if oldest_message is None or run.queued_at < oldest_message
    )
