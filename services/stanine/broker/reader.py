"""Blocking reads: one connection per consumer, without client retries, and with raw replies.

Raw replies avoid a dictionary per entry.
"""

from typing import Any

import redis

from stanine.broker.connection.functions import Argument
from stanine.broker.entry import GROUP, Fields
from stanine.broker.exchange import Fetched

#: Server errors if the queue does not exist. Redis sends UNBLOCKED also when the server becomes a replica.
QUEUE_DELETED = ("NOGROUP", "UNBLOCKED the stream key no longer exists")
#: Seconds beyond the block time after which the connection counts as lost.
ANSWER_TIMEOUT = 5.0
#: The consumer name shared by all that wait for a bell; nothing is kept for it.
WAITING = "waiting"


class Reader:
    """Reads new entries of one stream for one consumer."""

    def __init__(self, client: "redis.Redis", key: str) -> None:
        self._pool: Any = client.connection_pool
        self._key = key
        self._connection: Any = None

    def read(self, consumer: str, count: int, block_ms: int) -> "list[tuple[bytes, Fields]]":
        """Return up to `count` new entries; wait at most `block_ms` for the first.

        Raises RedisError or OSError; the server may then have delivered entries whose reply was lost.
        """
        words = (
            "XREADGROUP",
            "GROUP",
            GROUP,
            consumer,
            "COUNT",
            count,
            "BLOCK",
            max(1, block_ms),
            "STREAMS",
            self._key,
            ">",
        )
        reply = self._exchange(words, block_ms)
        if not reply:
            return []
        return next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]

    def fetch(self, command: "tuple[Argument, ...]") -> Fetched:
        """Execute a fetch. Errors: as for `read`, or that the function is missing."""
        wait, last_id, rows = self._exchange(command, 0)
        return Fetched(rows, int(wait), last_id)

    def wait_for_more(self, last_id: bytes, block_ms: int) -> None:
        """Wait at most `block_ms` for an entry after `last_id`, without fetching it."""
        self._exchange(
            ("XREAD", "COUNT", 1, "BLOCK", max(1, block_ms), "STREAMS", self._key, last_id),
            block_ms,
        )

    def wait_for_bell(self, bell: str, block_ms: int) -> None:
        """Wait at most `block_ms` for the bell; each ring wakes one waiting consumer."""
        words = (
            "XREADGROUP",
            "GROUP",
            GROUP,
            WAITING,
            "COUNT",
            1,
            "BLOCK",
            max(1, block_ms),
            "NOACK",
            "STREAMS",
            bell,
            ">",
        )
        self._exchange(words, block_ms)

    def _exchange(self, words: "tuple[Argument, ...]", block_ms: int) -> Any:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        try:
            self._connection.send_command(*words)
            return self._connection.read_response(
                disable_decoding=True, timeout=block_ms / 1000 + ANSWER_TIMEOUT
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection before returning it: a reply may be outstanding."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
