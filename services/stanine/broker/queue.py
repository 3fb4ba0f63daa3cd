"""One queue in Redis: every function of functions/ as a method. Called by the broker, the consumer and the keeper.

Errors are redis-py's own; who calls decides what they mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import redis

from stanine.broker.connection.functions import Argument, Library
from stanine.broker.connection.ownership import HOLD_MS, Manager, managing_source, read_manager
from stanine.broker.entry import GROUP, Entry, NewEntry
from stanine.broker.errors import QueueManaged, RequestConflict
from stanine.broker.exchange import Call, Room
from stanine.broker.keys import QueueKeys
from stanine.broker.settings import QueueSettings
from stanine.broker.state import STATE_FIELD, QueueState, read_state

_PREFIX = "stanine_broker"
#: The files of the function library, in order: a later one may use what an earlier one defines.
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

#: What a settling call answers when the consumer's lease was taken over.
FENCED = -1
#: What a call that brings new work answers when the queue is draining.
SHUT = -2
#: Messages promoted in one call: some milliseconds of the server's time.
PROMOTE_LIMIT = 1000
#: Entries looked at for the oldest.
STATS_LOOK = 1000
#: Entries deleted in one call.
DROP_LIMIT = 1000


@cache
def library() -> Library:
    """Return the broker's function library."""
    parts = Path(__file__).parent / "functions"
    texts = {name: (parts / f"{name}.lua").read_text() for name in _PARTS}
    texts["layout"] += managing_source()
    return Library(_PREFIX, "\n".join(texts.values()))


@dataclass(frozen=True)
class QueueStats:
    """A queue at one moment. Reading it changes nothing."""

    ready: int
    delayed: int
    in_flight: int
    dead: int
    #: When the oldest of ready, in flight and delayed was created (ms since 1970), or None; exact up to 1,000 delayed or re-queued ones
    #: (of large ones, up to half a megabyte).
    oldest_ms: int | None
    #: Consumers with a live lease.
    consumers: int
    #: The server's clock (ms since 1970), to compare `oldest_ms` with.
    now_ms: int
    state: QueueState
    #: How many messages were ever given up, by reason; `dead` counts those that are still kept.
    deaths: Mapping[str, int]
    #: The resource that alone may change settings and state, if any.
    managed_by: str | None = None

    @property
    def is_drained(self) -> bool:
        """Whether it takes nothing new and has nothing left to work."""
        return self.state is QueueState.DRAINING and not (
            self.ready or self.delayed or self.in_flight
        )


@dataclass(frozen=True)
class Beat:
    """What a consumer learns when it renews its lease."""

    alive: bool
    #: Milliseconds until the next delayed message is due, or -1.
    wait_ms: int
    #: How many consumers are there to take over what dead ones left; 0: there is nothing.
    heirs: int
    settings: Mapping[bytes, bytes]


@dataclass(frozen=True)
class Outcome:
    """What a purge or re-queueing came to: how many messages, and whether it had been carried out (or begun) before."""

    count: int
    repeated: bool


@dataclass(frozen=True)
class Handled:
    """What managing a queue came to: how much changed, and the tokens of the requests at large that were dealt with last."""

    changed: int
    purge: str
    requeue: str


@dataclass(frozen=True)
class Verdict:
    """What becomes of a rejected entry: `delay_ms` from now it is delivered again, or it is dead when that is None."""

    entry_id: bytes
    delivery: int
    delay_ms: int | None


class Queue:
    """One queue, by its keys. Holds no connection: each call names the client."""

    def __init__(self, name: str, keys: QueueKeys) -> None:
        self.name = name
        self.keys = keys

    def _call(
        self, client: "redis.Redis", function: str, keys: Sequence[str], args: Iterable[Argument]
    ) -> Any:
        return library().call(client, f"{_PREFIX}_{function}", keys, list(args))

    # new work

    def append_command(
        self, call: Call, entries: Sequence[NewEntry]
    ) -> "tuple[str, list[str], list[Argument]]":
        """Return function, keys and arguments that append entries, for a synchronous or an asyncio call."""
        args = call.arguments()
        for entry in entries:
            args += (entry.head, entry.ids, entry.trace)
        return f"{_PREFIX}_enqueue", [self.keys.ready], args

    def delay_command(
        self, call: Call, entries: "Sequence[tuple[bytes, int, NewEntry]]"
    ) -> "tuple[str, list[str], list[Argument]]":
        """Return function, keys and arguments that add entries, each (token, delay in ms, entry), to the delayed ones."""
        args = call.arguments()
        for token, delay_ms, entry in entries:
            args += (token, delay_ms, entry.head, entry.ids, entry.trace)
        return f"{_PREFIX}_delay", [self.keys.ready, self.keys.delayed, self.keys.leases], args

    def unique_command(
        self, call: Call, entries: "Sequence[tuple[bytes, int, NewEntry]]"
    ) -> "tuple[str, list[str], list[Argument]]":
        """Return function, keys and arguments that add entries with deduplication keys, each (token, delay in ms or 0, entry)."""
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

    # settling

    def finish(self, client: "redis.Redis", consumer: str, entry: Entry) -> int:
        """Acknowledge and delete an entry that holds a deduplication key; as `ack`."""
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
        """Acknowledge one entry and deliver it again, with a new head, after a delay; return (settled, ms until the first is due)."""
        keys = [self.keys.ready, self.keys.delayed, self.keys.leases]
        content = (head, entry.ids or b"", entry.trace or b"", entry.unique or b"")
        args = (GROUP, consumer, entry.id, delay_ms, entry.delivery, entry.created, *content)
        settled, wait = self._call(client, "retry", keys, args)
        return int(settled), int(wait)

    def reject(
        self,
        client: "redis.Redis",
        consumer: str,
        verdicts: Sequence[Verdict],
        *,
        reason: str,
        actor: str,
        settings: QueueSettings,
    ) -> tuple[int, int]:
        """Acknowledge entries and delay or bury each; return (how many were pending or FENCED, ms until the first is due)."""
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
        for verdict in verdicts:
            args += (
                verdict.entry_id,
                verdict.delivery,
                -1 if verdict.delay_ms is None else verdict.delay_ms,
            )
        settled, wait = self._call(client, "reject", keys, args)
        return int(settled), int(wait)

    def release(
        self, client: "redis.Redis", consumer: str, earlier: Sequence[tuple[bytes, int]]
    ) -> int:
        """Put entries, each with its count of earlier deliveries, back into the queue; return how many, or FENCED."""
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
        """Make the group if need be and register a consumer (none if the name is empty); return the queue's settings hash."""
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
        """Renew the consumer's lease and promote what is due."""
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
            return Beat(alive=False, wait_ms=-1, heirs=0, settings={})
        return Beat(
            alive=True, wait_ms=int(answer[1]), heirs=int(answer[2]), settings=_pairs(answer[3])
        )

    def promote(self, client: "redis.Redis") -> int:
        """Move due messages to the ready ones; return the milliseconds until the next is due (0: more are due already), or -1."""
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead]
        return int(self._call(client, "promote", keys, (PROMOTE_LIMIT,))[1])

    def recover(self, client: "redis.Redis", consumer: str, room: Room) -> tuple[list[bytes], bool]:
        """Take over this consumer's share of what dead consumers held, if it has room; return the ids, and whether it lacked room for more.

        Nothing if this consumer is fenced. Not to be repeated by the client: what a lost reply told is found among the consumer's own.
        """
        answer = self._call(
            client,
            "recover",
            [self.keys.ready, self.keys.leases],
            (GROUP, consumer, room.calls, room.merge),
        )
        return (list(answer[0]), bool(answer[1])) if answer else ([], False)

    def leave(self, client: "redis.Redis", consumer: str) -> None:
        """End a consumer's lease; what it still holds is free to be taken over."""
        self._call(client, "leave", [self.keys.ready, self.keys.leases], (GROUP, consumer))

    def held(
        self, client: "redis.Redis", consumer: str, after: bytes, limit: int
    ) -> tuple[list[tuple[bytes, int, list[bytes]]], bool]:
        """Return the consumer's pending entries after an id, (id, times handed out, fields; none if it is gone), and whether more."""
        more, rows = self._call(client, "held", [self.keys.ready], (GROUP, consumer, after, limit))
        return [(row[0], int(row[1]), row[2]) for row in rows], bool(more)

    def start(
        self, client: "redis.Redis", consumer: str, counted: Sequence[tuple[bytes, int]]
    ) -> bool:
        """Note how often taken-over entries were handed out, this time included; False if this consumer is fenced."""
        answer = self._call(
            client, "start", [self.keys.ready, self.keys.leases], (GROUP, consumer, *_flat(counted))
        )
        return int(answer) != FENCED

    # operations

    def stats(self, client: "redis.Redis") -> QueueStats:
        """Return depth, age and consumers, changing nothing."""
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead, self.keys.leases]
        answer = self._call(client, "stats", keys, (GROUP, STATS_LOOK))
        ready, delayed, in_flight, dead, oldest, consumers, now = map(int, answer[:7])
        state, deaths = read_state({STATE_FIELD: answer[7]}), _pairs(answer[8])
        died = {reason.decode(): int(count) for reason, count in deaths.items()}
        manager = read_manager(answer[9]).name if answer[9] else None
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
            manager,
        )

    def size(self, client: "redis.Redis") -> int:
        """Return how many messages are ready, delayed or in flight; costs next to nothing."""
        return int(self._call(client, "size", [self.keys.ready, self.keys.delayed], (GROUP,)))

    def set_state(self, client: "redis.Redis", state: QueueState) -> QueueState:
        """Set what the queue is to do; return what it was told before. Raises QueueManaged."""
        return read_state(
            {
                STATE_FIELD: self._unless_managed(
                    self._call(client, "set_state", [self.keys.settings], (state.value,))
                )
            }
        )

    def manage(
        self,
        client: "redis.Redis",
        manager: Manager,
        settings: QueueSettings,
        state: QueueState,
        *,
        gone: str = "",
        tokens: tuple[str, str] = ("", ""),
    ) -> Handled:
        """Hold the queue for the next three minutes and make settings and state these; raises QueueManaged if another holds it.

        `gone`: the uid of a manager that is no more. `tokens`: of the purge and the re-queueing that the manager asks for now: if it is new
        here, they count as dealt with.
        """
        fields = [
            (name, "" if value is None else value) for name, value in settings.all_fields().items()
        ]
        args: list[Argument] = [
            manager.encode(),
            gone,
            HOLD_MS,
            state.value,
            *tokens,
            *_flat(fields),
        ]
        answer = self._call(client, "manage", [self.keys.settings], args)
        changed = int(self._unless_managed(answer))
        return Handled(changed, answer[2].decode(), answer[3].decode())

    def note_handled(
        self, client: "redis.Redis", manager: Manager, request: str, token: str
    ) -> None:
        """Note that the manager's `purge` or `requeue` with a token was dealt with."""
        self._call(client, "handled", [self.keys.settings], (manager.encode(), request, token))

    def remove(self, client: "redis.Redis", manager: Manager) -> bool:
        """Remove the queue if it is empty, else keep it and end the hold; return whether it was removed. Raises QueueManaged."""
        keys = [
            self.keys.ready,
            self.keys.delayed,
            self.keys.dead,
            self.keys.leases,
            self.keys.settings,
        ]
        answer = self._call(client, "remove", keys, (manager.encode(), STATS_LOOK))
        if int(answer[0]) < 0:
            raise QueueManaged(self.name, read_manager(answer[1]))
        return bool(answer[0])

    def _unless_managed(self, answer: Any) -> Any:
        """Return what a change answered; raises QueueManaged if it was refused."""
        if not int(answer[0]):
            raise QueueManaged(self.name, read_manager(answer[1]))
        return answer[1]

    def read_settings(self, client: "redis.Redis") -> Mapping[bytes, bytes]:
        """Return the settings hash."""
        fields: Any = client.hgetall(self.keys.settings)
        return _pairs(fields)

    def fetch_command(
        self, consumer: str, count: int, room: Room, patience_ms: int
    ) -> "tuple[Argument, ...]":
        """Return the words that read up to `count` new entries within the queue's rate: for the reader's own connection.

        `room`: no more than fits (0 calls: whatever comes); `patience_ms`: how long the caller is willing to wait if there is nothing.
        """
        args = (GROUP, consumer, count, room.calls, room.merge, patience_ms)
        return library().command(f"{_PREFIX}_fetch", [self.keys.ready], args)

    def drop(self, client: "redis.Redis") -> int:
        """Delete what waits and what is in flight; return how many."""
        dropped = 0
        while True:
            all_gone, count = self._call(
                client, "drop", [self.keys.ready, self.keys.delayed], (GROUP, DROP_LIMIT)
            )
            dropped += int(count)
            if all_gone:
                return dropped

    def carry_out(
        self, client: "redis.Redis", token: str, action: str, reason: str, actor: str
    ) -> Outcome:
        """Carry out a request at large, call by call; raises RequestConflict if the token stands for another."""
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
                raise RequestConflict("the token stands for another request: give each its own")
            began = began or bool(answer[2])
            if answer[0]:
                return Outcome(int(answer[1]), repeated=not began)

    def recall(self, client: "redis.Redis", token: str, action: str) -> Outcome | None:
        """Return what the request with a token has come to, or None if there was no such request, or another stands under the token."""
        found = self._call(client, "recall", [self.keys.ready], (token,))
        return (
            Outcome(int(found[2]), repeated=True) if found and found[0].decode() == action else None
        )

    def revive(self, client: "redis.Redis", ids: Sequence[bytes]) -> int:
        """Put dead letters back into the queue with a fresh count; return how many were there."""
        return int(self._call(client, "revive", [self.keys.ready, self.keys.dead], ids))

    def write_settings(
        self, client: "redis.Redis", fields: Mapping[str, int | None], *, overwrite: bool
    ) -> int:
        """Write the settings hash: every field (None: remove it; raises QueueManaged), or only absent ones; return how many changed."""
        mode = "set" if overwrite else "default"
        words = [(name, "" if value is None else value) for name, value in fields.items()]
        return int(
            self._unless_managed(
                self._call(client, "settings", [self.keys.settings], (mode, *_flat(words)))
            )
        )


def grace_ms(settings: QueueSettings) -> int:
    """Return how long consumers may renew first after the server was away for longer than a lease: a fifth of it."""
    return max(100, settings.lease_ms // 5)


def _flat(pairs: "Iterable[tuple[Argument, Argument]]") -> list[Argument]:
    return [value for pair in pairs for value in pair]


def _pairs(flat: Any) -> dict[bytes, bytes]:
    if isinstance(flat, dict):  # RESP3
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))
