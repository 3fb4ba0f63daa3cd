"""The whole contract between the services: each message, its queue and its actor's name.

A message carries ids, never bodies, and is only a hint: the records in Redis say what is due. Producers are the store's Redis
functions, which append a message in the same step as the record it is about; consumers are the watchers' actors.

On the wire a message is one stream entry of at most three fields (`stanine.broker.entry` reads them):

    h   the constant head: queue and actor, made by the broker once per process
    i   the ids, raw and self-delimiting, so that a batch is the concatenation of its messages
    t   the W3C traceparent of the producer, absent when it is not sampled
"""

from collections.abc import Iterable, Iterator

import msgspec


class Route(msgspec.Struct, frozen=True):
    """Where a kind of message goes: its queue and the actor that handles it."""

    queue: str
    actor: str


class Outbox(msgspec.Struct, frozen=True):
    """What a Redis function needs in order to append a message: the stream's key and the message's constant head."""

    stream: str
    head: bytes


#: "The newest scoring of this instrument may not be indexed yet." Ids: instrument names, each ended by a newline.
BUILD_INDEX = Route(queue="index", actor="build_index")

#: "These attempts may not be scored yet." Ids: attempt ids of ATTEMPT_ID_BYTES each.
SCORE_ATTEMPTS = Route(queue="results", actor="score_attempts")

#: Bytes of an attempt's id: 11 random, then its arrival number (40 bits, big-endian), which says where it lies (`stanine.store.records`).
ATTEMPT_ID_BYTES = 16


def join_names(names: Iterable[str]) -> bytes:
    """Return the ids of a BUILD_INDEX message: each name, ended by a newline."""
    return b"".join(name.encode() + b"\n" for name in names)


def split_names(ids: bytes) -> list[str]:
    """Return the names in the ids of BUILD_INDEX messages, in order of arrival, each once."""
    return list(dict.fromkeys(ids.decode().split("\n")[:-1]))


def split_attempt_ids(ids: bytes) -> Iterator[bytes]:
    """Yield the attempt ids in the ids of SCORE_ATTEMPTS messages.

    Raises ValueError if the length is not a multiple of ATTEMPT_ID_BYTES: such a message was not made by the store.
    """
    if len(ids) % ATTEMPT_ID_BYTES:
        raise ValueError(
            f"attempt ids are {ATTEMPT_ID_BYTES} bytes each, but the message has {len(ids)} bytes"
        )
    for start in range(0, len(ids), ATTEMPT_ID_BYTES):
        yield ids[start : start + ATTEMPT_ID_BYTES]
