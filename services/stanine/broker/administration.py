"""Administration of one queue: statistics, state, ownership, purges, settings. Each function is one Redis function of functions/.

Used by the broker's operations and by the bootstrap. Errors of redis-py propagate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stanine.broker.connection.functions import Argument
from stanine.broker.connection.ownership import HOLD_MS, Owner, read_owner
from stanine.broker.entry import GROUP
from stanine.broker.errors import QueueManaged, RequestConflict
from stanine.broker.library import call_function, flat, pairs
from stanine.broker.queue import Queue
from stanine.broker.settings import QueueSettings
from stanine.broker.state import STATE_FIELD, QueueState, read_state

if TYPE_CHECKING:
    import redis

#: Entries inspected to find the oldest.
STATS_LIMIT = 1000
#: Entries deleted per call.
DROP_LIMIT = 1000


@dataclass(frozen=True)
class QueueStats:
    """Statistics of a queue at one moment."""

    ready: int
    delayed: int
    in_flight: int
    dead: int
    #: Creation time of the oldest ready, in-flight or delayed message (ms since 1970), or None. Exact up to 1,000
    #: delayed or requeued messages, or half a megabyte of them.
    oldest_ms: int | None
    #: Consumers with a live lease.
    consumers: int
    #: The server's clock (ms since 1970), to compare `oldest_ms` with.
    now_ms: int
    state: QueueState
    #: Messages ever dead-lettered, by reason; `dead` counts only those still stored.
    deaths: Mapping[str, int]
    #: The owner that reserves settings and state, if any.
    managed_by: str | None = None

    @property
    def is_drained(self) -> bool:
        """Whether the queue accepts nothing new and all messages are processed."""
        return self.state is QueueState.DRAINING and not (
            self.ready or self.delayed or self.in_flight
        )


@dataclass(frozen=True)
class RequestResult:
    """Result of a purge or requeue: number of messages, and whether the token was known before."""

    count: int
    repeated: bool


@dataclass(frozen=True)
class Handled:
    """Result of taking ownership: number of changes, and the last handled request tokens."""

    changed: int
    purge: str
    requeue: str


def read_stats(client: "redis.Redis", queue: Queue) -> QueueStats:
    """Return depth, age and consumers, without side effects."""
    keys = [queue.keys.ready, queue.keys.delayed, queue.keys.dead, queue.keys.leases]
    answer = call_function(client, "stats", keys, (GROUP, STATS_LIMIT))
    ready, delayed, in_flight, dead, oldest, consumers, now = map(int, answer[:7])
    state, deaths = read_state({STATE_FIELD: answer[7]}), pairs(answer[8])
    died = {reason.decode(): int(count) for reason, count in deaths.items()}
    owner = read_owner(answer[9]).name if answer[9] else None
    return QueueStats(
        ready,
        delayed,
        in_flight,
        dead,
        None if oldest < 0 else oldest,
        consumers,
        now,
        state,
        died,
        owner,
    )


def count_messages(client: "redis.Redis", queue: Queue) -> int:
    """Return the number of ready, delayed and in-flight messages, at low cost."""
    return int(call_function(client, "size", [queue.keys.ready, queue.keys.delayed], (GROUP,)))


def set_state(client: "redis.Redis", queue: Queue, state: QueueState) -> QueueState:
    """Set the state of the queue; return the previous one. Raises QueueManaged."""
    return read_state(
        {
            STATE_FIELD: _checked(
                queue, call_function(client, "set_state", [queue.keys.settings], (state.value,))
            )
        }
    )


def manage_queue(
    client: "redis.Redis",
    queue: Queue,
    owner: Owner,
    settings: QueueSettings,
    state: QueueState,
    *,
    deleted_owner: str = "",
    tokens: tuple[str, str] = ("", ""),
) -> Handled:
    """Take or renew ownership of the queue, and write its settings and state.

    Raises QueueManaged if another owner holds it. `deleted_owner`: the uid of an owner that no longer exists. `tokens`: of
    the purge and requeue requests in the owner's spec; they count as handled if the owner is new here.
    """
    fields = [
        (name, "" if value is None else value) for name, value in settings.all_fields().items()
    ]
    args: list[Argument] = [
        owner.encode(),
        deleted_owner,
        HOLD_MS,
        state.value,
        *tokens,
        *flat(fields),
    ]
    answer = call_function(client, "manage", [queue.keys.settings], args)
    changed = int(_checked(queue, answer))
    return Handled(changed, answer[2].decode(), answer[3].decode())


def note_handled(
    client: "redis.Redis", queue: Queue, owner: Owner, request: str, token: str
) -> None:
    """Record that the owner's `purge` or `requeue` request with a token was handled."""
    call_function(client, "handled", [queue.keys.settings], (owner.encode(), request, token))


def remove_queue(client: "redis.Redis", queue: Queue, owner: Owner) -> bool:
    """Remove the queue if it is empty, else end the ownership; return whether it was removed.

    Raises QueueManaged.
    """
    keys = [
        queue.keys.ready,
        queue.keys.delayed,
        queue.keys.dead,
        queue.keys.leases,
        queue.keys.settings,
    ]
    answer = call_function(client, "remove", keys, (owner.encode(), STATS_LIMIT))
    if int(answer[0]) < 0:
        raise QueueManaged(queue.name, read_owner(answer[1]))
    return bool(answer[0])


def _checked(queue: Queue, answer: Any) -> Any:
    """Return the result of a change; raises QueueManaged if an owner prevented it."""
    if not int(answer[0]):
        raise QueueManaged(queue.name, read_owner(answer[1]))
    return answer[1]


def read_stored_settings(client: "redis.Redis", queue: Queue) -> Mapping[bytes, bytes]:
    """Return the settings hash."""
    fields: Any = client.hgetall(queue.keys.settings)
    return pairs(fields)


def drop_messages(client: "redis.Redis", queue: Queue) -> int:
    """Delete waiting and in-flight messages; return their number."""
    dropped = 0
    while True:
        done, count = call_function(
            client, "drop", [queue.keys.ready, queue.keys.delayed], (GROUP, DROP_LIMIT)
        )
        dropped += int(count)
        if done:
            return dropped


def carry_out(
    client: "redis.Redis", queue: Queue, token: str, action: str, reason: str, actor: str
) -> RequestResult:
    """Execute a request in as many calls as needed; raises RequestConflict."""
    keys = [queue.keys.ready, queue.keys.delayed, queue.keys.dead]
    began = False
    while True:
        answer = call_function(
            client,
            action.partition(" ")[0],
            keys,
            (token, action, GROUP, DROP_LIMIT, reason, actor),
        )
        if answer[0] < 0:
            raise RequestConflict(
                "the token was used for a different request: use a new token for each request"
            )
        began = began or bool(answer[2])
        if answer[0]:
            return RequestResult(int(answer[1]), repeated=not began)


def recall(client: "redis.Redis", queue: Queue, token: str, action: str) -> RequestResult | None:
    """Return the result of a request by its token.

    None if unknown or used for another action.
    """
    found = call_function(client, "recall", [queue.keys.ready], (token,))
    return (
        RequestResult(int(found[2]), repeated=True)
        if found and found[0].decode() == action
        else None
    )


def revive(client: "redis.Redis", queue: Queue, ids: Sequence[bytes]) -> int:
    """Requeue dead letters with a reset delivery count; return how many existed."""
    return int(call_function(client, "revive", [queue.keys.ready, queue.keys.dead], ids))


def write_settings(
    client: "redis.Redis", queue: Queue, fields: Mapping[str, int | None], *, overwrite: bool
) -> int:
    """Write fields of the settings hash; return how many changed.

    Writes every field (None removes it; raises QueueManaged), or only absent ones.
    """
    mode = "set" if overwrite else "default"
    words = [(name, "" if value is None else value) for name, value in fields.items()]
    return int(
        _checked(
            queue, call_function(client, "settings", [queue.keys.settings], (mode, *flat(words)))
        )
    )
