"""Reading a snapshot from the replication stream: whatever the pieces, all bytes or an error."""

import hashlib
import io
import itertools
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.store.backup.snapshot import SnapshotError, take_snapshot

MARK = b"0123456789abcdef0123456789abcdef01234567"
SYNC = b"+FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 42\r\n"


class Pool:
    """A pool whose only connection is a socket of the test."""

    def __init__(self, stream: socket.socket) -> None:
        self._sock = stream

    def get_connection(self) -> "Pool":
        return self

    def send_command(self, *_words: str) -> None: ...

    def read_response(self) -> bytes:
        return b"OK"

    def disconnect(self) -> None:
        self._sock.close()

    def release(self, _connection: object) -> None: ...


class Client:
    """What `take_snapshot` needs of a client."""

    def __init__(self, stream: socket.socket) -> None:
        self.connection_pool = Pool(stream)


def taken(pieces: Sequence[bytes]) -> tuple[Any, bytes]:
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for piece in pieces:
                try:
                    theirs.sendall(piece)
                except OSError:
                    return

    sender = threading.Thread(target=send)
    sender.start()
    target = io.BytesIO()
    client: Any = Client(ours)
    try:
        return take_snapshot(client, target, silence=5), target.getvalue()
    finally:
        ours.close()
        sender.join()


def in_pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


@settings(max_examples=200)
@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_all_bytes_are_received_in_whatever_pieces_they_arrive(
    rest: bytes, cuts: list[int], sized: bool
) -> None:
    data = b"REDIS0011" + rest.replace(MARK, b"")
    head = b"\n\n" + SYNC + b"\n"
    sent = (
        head + b"$%d\r\n" % len(data) + data + b"*1\r\n$4\r\nPING\r\n"
        if sized
        else head + b"$EOF:" + MARK + b"\r\n" + data + MARK
    )
    found, received = taken(in_pieces(sent, cuts))
    assert received == data
    assert (found.sha256, found.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (found.replication_id[:4], found.offset) == ("8de1", 42)


@settings(max_examples=60)
@given(st.data(), st.booleans())
def test_a_stream_that_ends_early_is_an_error(data: st.DataObject, sized: bool) -> None:
    snapshot = b"REDIS0011" + bytes(200)
    whole = SYNC + (
        b"$%d\r\n" % len(snapshot) + snapshot
        if sized
        else b"$EOF:" + MARK + b"\r\n" + snapshot + MARK
    )
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SnapshotError):
        taken([whole[:cut]])


def test_a_refusal_is_the_servers_error() -> None:
    with pytest.raises(redis.exceptions.NoPermissionError, match="psync"):
        taken([b"-NOPERM User backup has no permissions to run the 'psync' command\r\n"])
    with pytest.raises(redis.ResponseError, match="NOMASTERLINK"):
        taken([b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"])
    with pytest.raises(SnapshotError):
        taken([b"HTTP/1.1 400 Bad Request\r\n"])
