"""The calls that enqueue, by kind: immediate, delayed, deduplicated. Used by `producing`, which chooses one for a chunk."""

from collections.abc import Sequence

from stanine.broker.connection.functions import Argument
from stanine.broker.entry import NewEntry
from stanine.broker.exchange import ProducerCall
from stanine.broker.library import PREFIX
from stanine.broker.queue import Queue

#: Function, keys and arguments.
Command = tuple[str, list[str], list[Argument]]


def append_command(queue: Queue, call: ProducerCall, entries: Sequence[NewEntry]) -> Command:
    """Return function, keys and arguments of a call that appends entries."""
    args = call.arguments()
    for entry in entries:
        args += (entry.head, entry.ids, entry.trace)
    return f"{PREFIX}_enqueue", [queue.keys.ready], args


def delay_command(
    queue: Queue, call: ProducerCall, entries: Sequence[tuple[bytes, int, NewEntry]]
) -> Command:
    """Return function, keys and arguments of a call that adds delayed entries.

    `entries` holds (token, delay in ms, entry).
    """
    args = call.arguments()
    for token, delay_ms, entry in entries:
        args += (token, delay_ms, entry.head, entry.ids, entry.trace)
    return f"{PREFIX}_delay", [queue.keys.ready, queue.keys.delayed, queue.keys.leases], args


def unique_command(
    queue: Queue, call: ProducerCall, entries: Sequence[tuple[bytes, int, NewEntry]]
) -> Command:
    """Return function, keys and arguments of a call that adds entries with deduplication keys.

    `entries` holds (token, delay in ms or 0, entry).
    """
    args = call.arguments()
    for token, delay_ms, entry in entries:
        assert entry.dedupe is not None
        args += (
            token,
            entry.dedupe.mode,
            entry.dedupe.digest,
            entry.dedupe.period_ms,
            delay_ms,
            entry.head,
            entry.trace,
        )
    return (
        f"{PREFIX}_enqueue_unique",
        [queue.keys.ready, queue.keys.delayed, queue.keys.leases],
        args,
    )
