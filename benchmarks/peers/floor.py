"""The floor: the time of the Redis calls alone, made in a loop as the resultWatcher makes them.

The backlog is queued by Stanine's submitter. Per 512 messages: XREADGROUP, the load (in a transaction GET and one HGETALL
or HMGET per block), `commit_results`, `ack`; the same functions, keys and sizes. Without Dramatiq, NumPy, client library
and scoring: commands are written as bytes, and of replies only the ids of entries and attempts are parsed. The backlog is
complete and in order of arrival, so the blocks of a batch are computed, not looked up.
"""

import os
import re
import socket
from urllib.parse import urlsplit

import redis

from benchmarks.peers.work import ITEMS, URL
from stanine.broker.entry import GROUP, head
from stanine.broker.keys import queue_keys
from stanine.broker.library import library
from stanine.broker.queue import Queue
from stanine.broker.settings import QueueSettings
from stanine.domain.scoring.result import ENGINE_VERSION, SCALE_BYTES
from stanine.messages import SCORE_ATTEMPTS
from stanine.store import load_library
from stanine.store.blocks import IDS_FIELD, RUN_FIELD, WHOLE_BLOCK_FROM, fields_of
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import RANDOM_BYTES, TIME_BYTES, attempt_record
from stanine.store.result_layout import COMMIT_BYTES, result_start

#: Messages per read, as in the resultWatcher's batches.
BATCH = 512
#: Scales of the instrument.
SCALES = 5
#: Bytes of an attempt record.
RECORD_BYTES = TIME_BYTES + len(attempt_record(1, 1, bytes(ITEMS)))
CONSUMER = "floor"
#: Reply for a missing field.
NIL = b"$-1\r\n"
#: Beginning of a reply of XREADGROUP for one stream, with the number of its entries.
_ANNOUNCED = re.compile(rb"\*1\r\n\*2\r\n\$\d+\r\n[^\r]+\r\n\*(\d+)\r\n")


def command(*words: str | bytes | int) -> bytes:
    """Return a command in the Redis protocol."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [_word(word) for word in words]
    return b"".join(parts)


def _word(word: str | bytes | int) -> bytes:
    data = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class Wire:
    """A connection with unparsed replies."""

    def __init__(self) -> None:
        address = urlsplit(URL)
        self._socket = socket.create_connection(
            (address.hostname or "127.0.0.1", address.port or 6379)
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)
        self._view = memoryview(self._buffer)

    def ask(self, words: bytes) -> None:
        """Send commands."""
        self._socket.sendall(words)

    def skip(self, size: int) -> None:
        """Receive a reply of a known size."""
        have = 0
        while have < size:
            have += self._receive(have)

    def entries(self, entry: "re.Pattern[bytes]") -> list[tuple[bytes, bytes]]:
        """Return the matches of `entry` in a reply of XREADGROUP; empty if the queue is empty."""
        have = 0
        while True:
            have += self._receive(have)
            reply = bytes(self._view[:have])
            if reply == b"*-1\r\n":
                return []
            announced = _ANNOUNCED.match(reply)
            if announced and reply.endswith(b"\r\n"):
                found = entry.findall(reply)
                if len(found) == int(announced[1]):
                    return found

    def _receive(self, have: int) -> int:
        got = self._socket.recv_into(self._view[have:])
        if not got or self._buffer[0] == ord("-"):
            raise RuntimeError(bytes(self._view[: have + got]).decode() or "the server hung up")
        return got


def load_of(
    keys: Keys, first: int, count: int, arrivals: int, change: bytes, runs: set[int]
) -> tuple[bytes, int]:
    """Return the commands that load consecutive attempts, and the size of the reply in bytes.

    `arrivals`: number of attempts; `change`: the last change of the index; `runs`: the blocks whose records are one field.
    """
    load = [command("MULTI"), command("GET", keys.index_change)]
    expected = _size(change)
    arrival = first
    while arrival < first + count:
        block, slot = divmod(arrival, BLOCK_SIZE)
        some = min(BLOCK_SIZE - slot, first + count - arrival)
        there = min(BLOCK_SIZE, arrivals - block * BLOCK_SIZE)
        ids = _size(bytes(there * RANDOM_BYTES))
        run = _size(bytes(1 + TIME_BYTES + 3 + BLOCK_SIZE * (RECORD_BYTES - TIME_BYTES)))
        if some < WHOLE_BLOCK_FROM:
            load.append(
                command("HMGET", keys.attempts(block), *fields_of(range(slot, slot + some)))
            )
            records = (
                run + some * len(NIL)
                if block in runs
                else len(NIL) + some * _size(bytes(RECORD_BYTES))
            )
            expected += len(b"*%d\r\n" % (some + 2)) + ids + records
        else:
            load.append(command("HGETALL", keys.attempts(block)))
            slots = [] if block in runs else range(there)
            fields = [
                IDS_FIELD.encode(),
                *(b"%d" % each for each in slots),
                *([RUN_FIELD.encode()] if block in runs else []),
            ]
            records = run if block in runs else there * _size(bytes(RECORD_BYTES))
            expected += (
                len(b"*%d\r\n" % (2 * len(fields))) + sum(map(_size, fields)) + ids + records
            )
        arrival += some
    asked = len(load) - 1
    return b"".join(load) + command("EXEC"), len(b"+OK\r\n") + asked * len(b"+QUEUED\r\n") + len(
        b"*%d\r\n" % asked
    ) + expected


def _size(data: bytes) -> int:
    return len(b"$%d\r\n\r\n" % len(data)) + len(data)


def run() -> None:
    """Drain the queue, then wait for a signal."""
    keys = Keys(os.environ["STANINE_NAMESPACE"])
    names = queue_keys(keys.partition, SCORE_ATTEMPTS.queue)
    client = redis.Redis.from_url(URL)
    Queue(SCORE_ATTEMPTS.queue, names).join(client, CONSUMER, QueueSettings(lease_ms=3_600_000))
    data = head(SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor)
    entry = re.compile(
        rb"\*2\r\n(\$\d+\r\n\d+-\d+\r\n)\*4\r\n\$1\r\nh\r\n\$%d\r\n%b\r\n\$1\r\ni\r\n\$16\r\n(.{16})\r\n"
        % (len(data), re.escape(data)),
        re.DOTALL,
    )
    wire = Wire()
    read = command(
        "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", BATCH, "STREAMS", names.ready, ">"
    )
    commit, ack = (
        load_library().function("commit_results"),
        library().function("stanine_broker_ack"),
    )
    body = bytes(SCALE_BYTES * SCALES)
    ack_head = b"".join(
        _word(word) for word in ("FCALL", ack, 2, names.ready, names.leases, GROUP, CONSUMER)
    )
    change: bytes = client.get(keys.index_change)  # type: ignore[assignment]
    arrivals = int(client.get(keys.arrivals) or 0)
    blocks = range(-(-arrivals // BLOCK_SIZE))
    pipeline = client.pipeline(transaction=False)
    for block in blocks:
        pipeline.hexists(keys.attempts(block), RUN_FIELD)
    runs = {block for block, is_run in zip(blocks, pipeline.execute(), strict=True) if is_run}
    while True:
        wire.ask(read)
        found = wire.entries(entry)
        if not found:
            break
        count = len(found)
        ids = [attempt_id for _, attempt_id in found]
        load, expected = load_of(
            keys, int.from_bytes(ids[0][RANDOM_BYTES:], "big"), count, arrivals, change, runs
        )
        wire.ask(load)
        wire.skip(expected)
        start = result_start(ENGINE_VERSION, 1, os.urandom(COMMIT_BYTES))
        stamps, randoms = (
            b"".join([each[RANDOM_BYTES:] for each in ids]),
            b"".join([each[:RANDOM_BYTES] for each in ids]),
        )
        wire.ask(
            command(
                "FCALL",
                commit,
                1,
                keys.arrivals,
                1,
                change,
                start,
                len(body),
                body * count,
                stamps,
                randoms,
                b"",
            )
        )
        wire.skip(len(b"$%d\r\n\r\n" % count) + count)
        wire.ask(
            b"*%d\r\n" % (7 + count) + ack_head + b"".join([entry_id for entry_id, _ in found])
        )
        wire.skip(len(b":%d\r\n" % count))
    client.connection_pool.disconnect()


if __name__ == "__main__":
    run()
