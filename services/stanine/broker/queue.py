"""One queue in Redis: each Redis function of functions/ as a method.

Called by the broker, the consumer and the keeper. Errors of redis-py propagate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis

from stanine.broker.connection.functions import Argument, Library
from stanine.broker.connection.ownership import HOLD_MS, Owner, ownership_source, read_owner
from stanine.broker.entry import GROUP, Entry, NewEntry
from stanine.broker.errors import QueueManaged, RequestConflict
from stanine.broker.exchange import ConsumerCapacity, ProducerCall
from stanine.broker.keys import QueueKeys
from stanine.broker.settings import QueueSettings
from stanine.broker.state import STATE_FIELD, QueueState, read_state

_PREFIX = "stanine_broker"
#: Files of the function library in order: later files use definitions of earlier ones.
_PARTS = (
    "layout",
    "dedupe",
    "producing",
    "ahead",
    "delivering",
    "settling",
    "keeping",
    "operating",
    "requests",
)

#: Result of a settling call if the consumer's lease was taken over.
FENCED = -1
#: Result of an enqueueing call if the queue is draining.
DRAINING = -2
#: Messages promoted per call: some milliseconds of server time.
PROMOTE_LIMIT = 1000
#: Entries inspected to find the oldest.
STATS_LIMIT = 1000
#: Entries deleted per call.
DROP_LIMIT = 1000


@cache
def library() -> Library:
    """Return the broker's function library."""
    parts = Path(__file__).parent / "functions"
    texts = {name: (parts / f"{name}.lua").read_text() for name in _PARTS}
    texts["layout"] += ownership_source()
    return Library(_PREFIX, "\n".join(texts.values()))


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
class Beat:
    """Result of renewing a lease."""

    alive: bool
    #: Milliseconds until the next delayed message is due, or -1.
    wait_ms: int
    #: Number of consumers that may take over entries of dead ones; 0: there are no such entries.
    takeover_consumers: int
    settings: Mapping[bytes, bytes]


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


@dataclass(frozen=True)
class Rejection:
    """Rejection of an entry.

    It is delivered again after `delay_ms`, or dead-lettered if that is None.
    """

    entry_id: bytes
    delivery: int
    delay_ms: int | None


class Queue:
    """One queue and its keys. Holds no connection: the client is an argument of each call."""

    def __init__(self, name: str, keys: QueueKeys) -> None:
        self.name = name
        self.keys = keys

    def _call(
        self, client: "redis.Redis", function: str, keys: Sequence[str], args: Iterable[Argument]
    ) -> Any:
        return library().call(client, f"{_PREFIX}_{function}", keys, list(args))

    # enqueueing

    def append_command(
        self, call: ProducerCall, entries: Sequence[NewEntry]
    ) -> "tuple[str, list[str], list[Argument]]":
        """Return function, keys and arguments of a call that appends entries."""
        args = call.arguments()
        for entry in entries:
            args += (entry.head, entry.ids, entry.trace)
        return f"{_PREFIX}_enqueue", [self.keys.ready], args

    def delay_command(
        self, call: ProducerCall, entries: "Sequence[tuple[bytes, int, NewEntry]]"
    ) -> "tuple[str, list[str], list[Argument]]":
        """Return function, keys and arguments of a call that adds delayed entries.

        `entries` holds (token, delay in ms, entry).
        """
        args = call.arguments()
        for token, delay_ms, entry in entries:
            args += (token, delay_ms, entry.head, entry.ids, entry.trace)
        return f"{_PREFIX}_delay", [self.keys.ready, self.keys.delayed, self.keys.leases], args

    def unique_command(
        self, call: ProducerCall, entries: "Sequence[tuple[bytes, int, NewEntry]]"
    ) -> "tuple[str, list[str], list[Argument]]":
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
            f"{_PREFIX}_enqueue_unique",
            [self.keys.ready, self.keys.delayed, self.keys.leases],
            args,
        )

    # settlement

    def finish(self, client: "redis.Redis", consumer: str, entry: Entry) -> int:
        """Acknowledge and delete an entry with a deduplication key; result as for `ack`."""
        args = (GROUP, consumer, entry.id, entry.unique or b"")
        return int(self._call(client, "finish", [self.keys.ready, self.keys.leases], args))

    def ack(self, client: "redis.Redis", consumer: str, ids: Sequence[bytes]) -> int:
        """Acknowledge and delete entries; return how many were pending, or FENCED."""
        return int(
            self._call(client, "ack", [self.keys.ready, self.keys.leases], (GROUP, consumer, *ids))
        )

    def retry(
        self, client: "redis.Redis", consumer: str, entry: Entry, head: bytes, delay_ms: int
    ) -> tuple[int, int]:
        """Acknowledge an entry and deliver it again with a new head after a delay.

        Returns (number settled or FENCED, ms until the next delayed message is due).
        """
        keys = [self.keys.ready, self.keys.delayed, self.keys.leases]
        content = (head, entry.ids or b"", entry.trace or b"", entry.unique or b"")
        args = (GROUP, consumer, entry.id, delay_ms, entry.delivery, entry.created, *content)
        settled, wait = self._call(client, "retry", keys, args)
        return int(settled), int(wait)

    def reject(
        self,
        client: "redis.Redis",
        consumer: str,
        rejections: Sequence[Rejection],
        *,
        reason: str,
        actor: str,
        settings: QueueSettings,
    ) -> tuple[int, int]:
        """Acknowledge entries and delay or dead-letter each.

        Returns (number that were pending or FENCED, ms until the next delayed message is due).
        """
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead, self.keys.leases]
        args: list[Argument] = [
            GROUP,
            consumer,
            reason,
            actor,
            self.name,
            settings.dead_max_length,
            settings.dead_max_age_ms,
        ]
        for rejection in rejections:
            args += (
                rejection.entry_id,
                rejection.delivery,
                -1 if rejection.delay_ms is None else rejection.delay_ms,
            )
        settled, wait = self._call(client, "reject", keys, args)
        return int(settled), int(wait)

    def release(
        self, client: "redis.Redis", consumer: str, earlier: Sequence[tuple[bytes, int]]
    ) -> int:
        """Return entries, each with its number of earlier deliveries, to the queue.

        Returns their number, or FENCED.
        """
        return int(
            self._call(
                client,
                "release",
                [self.keys.ready, self.keys.leases],
                (GROUP, consumer, *_flat(earlier)),
            )
        )

    # leases, delayed messages, recovery

    def join(
        self, client: "redis.Redis", consumer: str, settings: QueueSettings
    ) -> Mapping[bytes, bytes]:
        """Create the group if missing and register a consumer; return the queue's settings hash.

        No consumer is registered if the name is empty.
        """
        keys = [
            self.keys.ready,
            self.keys.delayed,
            self.keys.dead,
            self.keys.leases,
            self.keys.settings,
        ]
        return _pairs(
            self._call(
                client, "join", keys, (GROUP, consumer, settings.lease_ms, grace_ms(settings))
            )
        )

    def beat(self, client: "redis.Redis", consumer: str, settings: QueueSettings) -> Beat:
        """Renew the consumer's lease and promote due messages."""
        keys = [
            self.keys.ready,
            self.keys.delayed,
            self.keys.dead,
            self.keys.leases,
            self.keys.settings,
        ]
        kept = (settings.dead_max_length, settings.dead_max_age_ms)
        args = (GROUP, consumer, settings.lease_ms, grace_ms(settings), PROMOTE_LIMIT, *kept)
        answer = self._call(client, "beat", keys, args)
        if not answer[0]:
            return Beat(alive=False, wait_ms=-1, takeover_consumers=0, settings={})
        return Beat(
            alive=True,
            wait_ms=int(answer[1]),
            takeover_consumers=int(answer[2]),
            settings=_pairs(answer[3]),
        )

    def promote(self, client: "redis.Redis") -> int:
        """Promote due messages.

        Return the ms until the next is due (0: more are due now), or -1.
        """
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead]
        return int(self._call(client, "promote", keys, (PROMOTE_LIMIT,))[1])

    def recover(
        self, client: "redis.Redis", consumer: str, room: ConsumerCapacity
    ) -> tuple[list[bytes], bool]:
        """Take over this consumer's share of the entries of dead consumers, within its capacity.

        Returns the ids, and whether there were more than fit; nothing if this consumer is fenced. Must not be retried
        by the client: after a lost reply, the entries are found among the consumer's own pending ones.
        """
        answer = self._call(
            client,
            "recover",
            [self.keys.ready, self.keys.leases],
            (GROUP, consumer, room.calls, room.merge),
        )
        return (list(answer[0]), bool(answer[1])) if answer else ([], False)

    def leave(self, client: "redis.Redis", consumer: str) -> None:
        """End a consumer's lease; its pending entries can then be taken over."""
        self._call(client, "leave", [self.keys.ready, self.keys.leases], (GROUP, consumer))

    def held(
        self, client: "redis.Redis", consumer: str, after: bytes, limit: int
    ) -> tuple[list[tuple[bytes, int, list[bytes]]], bool]:
        """Return the consumer's pending entries after an id, and whether there are more.

        An entry is (id, deliveries, fields); fields are empty if the entry was deleted.
        """
        more, rows = self._call(client, "held", [self.keys.ready], (GROUP, consumer, after, limit))
        return [(row[0], int(row[1]), row[2]) for row in rows], bool(more)

    def start(
        self, client: "redis.Redis", consumer: str, counted: Sequence[tuple[bytes, int]]
    ) -> bool:
        """Record the deliveries of taken-over entries, including this one; False if fenced."""
        answer = self._call(
            client, "start", [self.keys.ready, self.keys.leases], (GROUP, consumer, *_flat(counted))
        )
        return int(answer) != FENCED

    # operations

    def stats(self, client: "redis.Redis") -> QueueStats:
        """Return depth, age and consumers, without side effects."""
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead, self.keys.leases]
        answer = self._call(client, "stats", keys, (GROUP, STATS_LIMIT))
        ready, delayed, in_flight, dead, oldest, consumers, now = map(int, answer[:7])
        state, deaths = read_state({STATE_FIELD: answer[7]}), _pairs(answer[8])
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

    def size(self, client: "redis.Redis") -> int:
        """Return the number of ready, delayed and in-flight messages, at low cost."""
        return int(self._call(client, "size", [self.keys.ready, self.keys.delayed], (GROUP,)))

    def set_state(self, client: "redis.Redis", state: QueueState) -> QueueState:
        """Set the state of the queue; return the previous one. Raises QueueManaged."""
        return read_state(
            {
                STATE_FIELD: self._checked(
                    self._call(client, "set_state", [self.keys.settings], (state.value,))
                )
            }
        )

    def manage(
        self,
        client: "redis.Redis",
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
            *_flat(fields),
        ]
        answer = self._call(client, "manage", [self.keys.settings], args)
        changed = int(self._checked(answer))
        return Handled(changed, answer[2].decode(), answer[3].decode())

    def note_handled(self, client: "redis.Redis", owner: Owner, request: str, token: str) -> None:
        """Record that the owner's `purge` or `requeue` request with a token was handled."""
        self._call(client, "handled", [self.keys.settings], (owner.encode(), request, token))

    def remove(self, client: "redis.Redis", owner: Owner) -> bool:
        """Remove the queue if it is empty, else end the ownership; return whether it was removed.

        Raises QueueManaged.
        """
        keys = [
            self.keys.ready,
            self.keys.delayed,
            self.keys.dead,
            self.keys.leases,
            self.keys.settings,
        ]
        answer = self._call(client, "remove", keys, (owner.encode(), STATS_LIMIT))
        if int(answer[0]) < 0:
            raise QueueManaged(self.name, read_owner(answer[1]))
        return bool(answer[0])

    def _checked(self, answer: Any) -> Any:
        """Return the result of a change; raises QueueManaged if an owner prevented it."""
        if not int(answer[0]):
            raise QueueManaged(self.name, read_owner(answer[1]))
        return answer[1]

    def read_settings(self, client: "redis.Redis") -> Mapping[bytes, bytes]:
        """Return the settings hash."""
        fields: Any = client.hgetall(self.keys.settings)
        return _pairs(fields)

    def fetch_command(
        self, consumer: str, count: int, room: ConsumerCapacity, wait_ms: int
    ) -> "tuple[Argument, ...]":
        """Return the command that fetches up to `count` new entries within the queue's rate.

        For the reader's own connection. `room`: capacity of the consumer (0 calls: unlimited); `wait_ms`: how long
        the caller will wait if there is nothing to fetch.
        """
        args = (GROUP, consumer, count, room.calls, room.merge, wait_ms)
        return library().command(f"{_PREFIX}_fetch", [self.keys.ready], args)

    def drop(self, client: "redis.Redis") -> int:
        """Delete waiting and in-flight messages; return their number."""
        dropped = 0
        while True:
            done, count = self._call(
                client, "drop", [self.keys.ready, self.keys.delayed], (GROUP, DROP_LIMIT)
            )
            dropped += int(count)
            if done:
                return dropped

    def carry_out(
        self, client: "redis.Redis", token: str, action: str, reason: str, actor: str
    ) -> RequestResult:
        """Execute a request in as many calls as needed; raises RequestConflict."""
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead]
        began = False
        while True:
            answer = self._call(
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

    def recall(self, client: "redis.Redis", token: str, action: str) -> RequestResult | None:
        """Return the result of a request by its token.

        None if unknown or used for another action.
        """
        found = self._call(client, "recall", [self.keys.ready], (token,))
        return (
            RequestResult(int(found[2]), repeated=True)
            if found and found[0].decode() == action
            else None
        )

    def revive(self, client: "redis.Redis", ids: Sequence[bytes]) -> int:
        """Requeue dead letters with a reset delivery count; return how many existed."""
        return int(self._call(client, "revive", [self.keys.ready, self.keys.dead], ids))

    def write_settings(
        self, client: "redis.Redis", fields: Mapping[str, int | None], *, overwrite: bool
    ) -> int:
        """Write fields of the settings hash; return how many changed.

        Writes every field (None removes it; raises QueueManaged), or only absent ones.
        """
        mode = "set" if overwrite else "default"
        words = [(name, "" if value is None else value) for name, value in fields.items()]
        return int(
            self._checked(
                self._call(client, "settings", [self.keys.settings], (mode, *_flat(words)))
            )
        )


def grace_ms(settings: QueueSettings) -> int:
    """Return the grace period for renewals after an outage longer than a lease.

    A fifth of the lease.
    """
    return max(100, settings.lease_ms // 5)


def _flat(pairs: "Iterable[tuple[Argument, Argument]]") -> list[Argument]:
    return [value for pair in pairs for value in pair]


def _pairs(flat: Any) -> dict[bytes, bytes]:
    if isinstance(flat, dict):  # RESP3
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))
