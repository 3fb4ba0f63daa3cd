"""Take a server's own RDB snapshot over the replication protocol. Called by `stanine backup`.

The server forks and sends the snapshot as to a new replica, so the snapshot is one moment of all its databases, and
nothing is written on the server's disk. The user needs PSYNC and REPLCONF only. docs/explanation/decisions/0019-backups.md
says why not `valkey-cli --rdb` or BGSAVE.
"""

import hashlib
import socket
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import redis

#: Seconds without a byte until the server counts as lost. While it forks and waits for further replicas
#: (repl-diskless-sync-delay, 5 s by default) it sends an empty line every second.
SILENCE_SECONDS = 60.0
#: Bytes per read, and of the mark that ends a snapshot whose size the server did not know in advance.
_CHUNK, _MARK_BYTES = 1 << 20, 40
#: Bytes of a line of the protocol; the longest is an error.
_MAX_LINE = 4096
#: First bytes of a snapshot, of Redis and of Valkey 9.
_MAGIC, _MAGIC_BYTES = (b"REDIS", b"VALKEY"), 6


class SnapshotError(Exception):
    """The server sent no complete snapshot. Temporary: the next run may succeed."""


class ReceivedSnapshot(msgspec.Struct, frozen=True):
    """What was received: SHA-256 and bytes of the file, and the place in the server's history of writes."""

    sha256: str
    size: int
    replication_id: str
    offset: int


def take_snapshot(
    client: "redis.Redis", target: IO[bytes], *, silence: float = SILENCE_SECONDS
) -> ReceivedSnapshot:
    """Write the server's snapshot to `target`.

    Uses one connection of the client's pool and closes it. Raises redis-py's errors for a refusal (no permission, no
    login), SnapshotError for an incomplete snapshot, OSError if `target` cannot be written.
    """
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        for words in (("capa", "eof"), ("rdb-only", "1")):
            connection.send_command("REPLCONF", *words)
            try:
                connection.read_response()
            except redis.exceptions.NoPermissionError:
                raise
            except redis.ResponseError:
                pass  # an older server does not know the option; the connection is closed in any case
        connection.send_command("PSYNC", "?", "-1")
        # The snapshot is no reply of the protocol: it is read from the socket, whose buffer is empty at this moment.
        stream: socket.socket = connection._sock  # noqa: SLF001 - redis-py has no public accessor
        stream.settimeout(silence)
        try:
            return _receive(_Reader(stream), target)
        except TimeoutError:
            raise SnapshotError(f"the server sent nothing for {silence:.0f} s") from None
        except ConnectionError as error:
            raise SnapshotError(f"the connection was lost: {error}") from None
    finally:
        connection.disconnect()
        pool.release(connection)


def server_version(client: "redis.Redis") -> str:
    """Return name and version of a server, such as `valkey 9.1.2`; "unknown" if the user may not ask."""
    try:
        found: Any = client.info("server")
    except redis.exceptions.NoPermissionError:
        return "unknown"
    for name in ("valkey", "redis"):
        if version := found.get(f"{name}_version"):
            return f"{name} {version}"
    return "unknown"


class _Reader:
    """Buffered reading of lines and blocks from a socket."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._buffer = b""

    def line(self) -> bytes:
        """Return the next line that is not empty: empty ones only show that the server is alive."""
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                if line.rstrip(b"\r"):
                    return line.rstrip(b"\r")
            elif len(line) > _MAX_LINE:
                raise SnapshotError("the server's reply is no reply of a Redis server")
            else:
                self._buffer += self._more()

    def chunk(self) -> bytes:
        """Return the next bytes, at least one."""
        if self._buffer:
            chunk, self._buffer = self._buffer, b""
            return chunk
        return self._more()

    def _more(self) -> bytes:
        received = self._stream.recv(_CHUNK)
        if not received:
            raise SnapshotError("the server closed the connection before the end of the snapshot")
        return received


def _receive(reader: _Reader, target: IO[bytes]) -> ReceivedSnapshot:
    reply = reader.line()
    if not reply.startswith(b"+FULLRESYNC "):
        raise _refusal(reply)
    _, replication_id, offset = reply.decode("ascii", "replace").split(" ")[:3]
    header = reader.line()
    if not header.startswith(b"$"):
        raise _refusal(header)
    if header.startswith(b"$EOF:"):
        chunks = _until_mark(reader, header.removeprefix(b"$EOF:"))
    else:
        chunks = _exactly(reader, int(header[1:]))
    digest, size, first = hashlib.sha256(), 0, b""
    for chunk in chunks:
        first = first if len(first) == _MAGIC_BYTES else (first + chunk)[:_MAGIC_BYTES]
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    if not first.startswith(_MAGIC):
        raise SnapshotError("the server sent something that is no snapshot")
    return ReceivedSnapshot(digest.hexdigest(), size, replication_id, int(offset))


def _exactly(reader: _Reader, size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = reader.chunk()[:size]  # what follows is the stream of further writes
        size -= len(chunk)
        yield chunk


def _until_mark(reader: _Reader, mark: bytes) -> Iterator[bytes]:
    """Yield the bytes before the mark, which is random and 40 bytes long."""
    if len(mark) != _MARK_BYTES:
        raise SnapshotError("the server's reply is no reply of a Redis server")
    held = b""
    while True:
        held += reader.chunk()
        place = held.find(mark)
        if place >= 0:
            if place:
                yield held[:place]
            return
        if len(held) > _MARK_BYTES:
            yield held[:-_MARK_BYTES]
            held = held[-_MARK_BYTES:]


def _refusal(reply: bytes) -> Exception:
    """Return the error of a reply that begins no snapshot, as redis-py names it."""
    text = reply.decode("utf-8", "replace").lstrip("-")
    if text.startswith("NOPERM"):
        return redis.exceptions.NoPermissionError(text)
    if reply.startswith(b"-"):
        return redis.ResponseError(text)
    return SnapshotError("the server's reply is no reply of a Redis server")
