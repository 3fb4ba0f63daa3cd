"""One queue in Redis as a consumer sees it: leases, delivery and settlement, each Redis function of functions/ as a method.

Called by the broker, the consumer and the keeper; `producing` and `administration` have the other functions. Errors of
redis-py propagate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stanine.broker.connection.functions import Argument
from stanine.broker.entry import GROUP, Entry
from stanine.broker.exchange import ConsumerCapacity
from stanine.broker.keys import QueueKeys
from stanine.broker.library import FENCED, PREFIX, call_function, flat, library, pairs
from stanine.broker.settings import QueueSettings

if TYPE_CHECKING:
    import redis

#: Messages promoted per call: some milliseconds of server time.
PROMOTE_LIMIT = 1000


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

    # settlement

    def finish(self, client: "redis.Redis", consumer: str, entry: Entry) -> int:
        """Acknowledge and delete an entry with a deduplication key; result as for `ack`."""
        args = (GROUP, consumer, entry.id, entry.unique or b"")
        return int(call_function(client, "finish", [self.keys.ready, self.keys.leases], args))

    def ack(self, client: "redis.Redis", consumer: str, ids: Sequence[bytes]) -> int:
        """Acknowledge and delete entries; return how many were pending, or FENCED."""
        return int(
            call_function(
                client, "ack", [self.keys.ready, self.keys.leases], (GROUP, consumer, *ids)
            )
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
        settled, wait = call_function(client, "retry", keys, args)
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
        settled, wait = call_function(client, "reject", keys, args)
        return int(settled), int(wait)

    def release(
        self, client: "redis.Redis", consumer: str, earlier: Sequence[tuple[bytes, int]]
    ) -> int:
        """Return entries, each with its number of earlier deliveries, to the queue.

        Returns their number, or FENCED.
        """
        return int(
            call_function(
                client,
                "release",
                [self.keys.ready, self.keys.leases],
                (GROUP, consumer, *flat(earlier)),
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
        return pairs(
            call_function(
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
        answer = call_function(client, "beat", keys, args)
        if not answer[0]:
            return Beat(alive=False, wait_ms=-1, takeover_consumers=0, settings={})
        return Beat(
            alive=True,
            wait_ms=int(answer[1]),
            takeover_consumers=int(answer[2]),
            settings=pairs(answer[3]),
        )

    def promote(self, client: "redis.Redis") -> int:
        """Promote due messages.

        Return the ms until the next is due (0: more are due now), or -1.
        """
        keys = [self.keys.ready, self.keys.delayed, self.keys.dead]
        return int(call_function(client, "promote", keys, (PROMOTE_LIMIT,))[1])

    def recover(
        self, client: "redis.Redis", consumer: str, room: ConsumerCapacity
    ) -> tuple[list[bytes], bool]:
        """Take over this consumer's share of the entries of dead consumers, within its capacity.

        Returns the ids, and whether there were more than fit; nothing if this consumer is fenced. Must not be retried
        by the client: after a lost reply, the entries are found among the consumer's own pending ones.
        """
        answer = call_function(
            client,
            "recover",
            [self.keys.ready, self.keys.leases],
            (GROUP, consumer, room.calls, room.merge),
        )
        return (list(answer[0]), bool(answer[1])) if answer else ([], False)

    def leave(self, client: "redis.Redis", consumer: str) -> None:
        """End a consumer's lease; its pending entries can then be taken over."""
        call_function(client, "leave", [self.keys.ready, self.keys.leases], (GROUP, consumer))

    def held(
        self, client: "redis.Redis", consumer: str, after: bytes, limit: int
    ) -> tuple[list[tuple[bytes, int, list[bytes]]], bool]:
        """Return the consumer's pending entries after an id, and whether there are more.

        An entry is (id, deliveries, fields); fields are empty if the entry was deleted.
        """
        more, rows = call_function(
            client, "held", [self.keys.ready], (GROUP, consumer, after, limit)
        )
        return [(row[0], int(row[1]), row[2]) for row in rows], bool(more)

    def start(
        self, client: "redis.Redis", consumer: str, counted: Sequence[tuple[bytes, int]]
    ) -> bool:
        """Record the deliveries of taken-over entries, including this one; False if fenced."""
        answer = call_function(
            client, "start", [self.keys.ready, self.keys.leases], (GROUP, consumer, *flat(counted))
        )
        return int(answer) != FENCED

    def fetch_command(
        self, consumer: str, count: int, room: ConsumerCapacity, wait_ms: int
    ) -> "tuple[Argument, ...]":
        """Return the command that fetches up to `count` new entries within the queue's rate.

        For the reader's own connection. `room`: capacity of the consumer (0 calls: unlimited); `wait_ms`: how long
        the caller will wait if there is nothing to fetch.
        """
        args = (GROUP, consumer, count, room.calls, room.merge, wait_ms)
        return library().command(f"{PREFIX}_fetch", [self.keys.ready], args)


def grace_ms(settings: QueueSettings) -> int:
    """Return the grace period for renewals after an outage longer than a lease.

    A fifth of the lease.
    """
    return max(100, settings.lease_ms // 5)
