"""Messages between the services: each message type with its queue and its actor.

Messages carry ids only and are hints: the records in Redis determine what is due. Producers are the store's Redis
functions, which append a message atomically with the record; consumers are the watchers' actors.

A message is one stream entry of at most three fields (read by `stanine.broker.entry`):

    h   the constant head: queue and actor, encoded by the broker once per process
    i   the ids, raw and self-delimiting, so that a batch is the concatenation of its messages
    t   the producer's W3C traceparent, absent if it is not sampled
"""

import struct
from collections.abc import Iterable, Iterator

import msgspec


class MessageRoute(msgspec.Struct, frozen=True):
    """The queue of a message type and the actor that handles it."""

    queue: str
    actor: str


class Outbox(msgspec.Struct, frozen=True):
    """What a Redis function needs to append a message: stream key and constant head."""

    stream: str
    head: bytes


#: "The newest scoring of this instrument may not be indexed yet." Ids: instrument names, each terminated by a newline.
BUILD_INDEX = MessageRoute(queue="index", actor="build_index")

#: "These attempts may not be scored yet." Ids: attempt ids of ATTEMPT_ID_BYTES each.
SCORE_ATTEMPTS = MessageRoute(queue="results", actor="score_attempts")

#: "This step of a re-scoring may not be done yet." Ids: a `RescoringStep` each. The queue of SCORE_ATTEMPTS, so that
#: its steps and new attempts share the workers.
RESCORE = MessageRoute(queue="results", actor="rescore")

#: Random bytes of a re-scoring run's id.
RUN_ID_BYTES = 8
_STEP = struct.Struct(f">I{RUN_ID_BYTES}sBI")

#: Bytes of an attempt id: 11 random bytes, then the arrival number (40 bits, big-endian), which locates the record
#: (`stanine.store.records`).
ATTEMPT_ID_BYTES = 16


def join_names(names: Iterable[str]) -> bytes:
    """Return the ids of a BUILD_INDEX message: each name, terminated by a newline."""
    return b"".join(name.encode() + b"\n" for name in names)


def split_names(ids: bytes) -> list[str]:
    """Return the names in the ids of BUILD_INDEX messages, deduplicated, in order of arrival."""
    return list(dict.fromkeys(ids.decode().split("\n")[:-1]))


def split_attempt_ids(ids: bytes) -> Iterator[bytes]:
    """Yield the attempt ids in the ids of SCORE_ATTEMPTS messages.

    Raises ValueError if the length is not a multiple of ATTEMPT_ID_BYTES; the store sends no such message.
    """
    if len(ids) % ATTEMPT_ID_BYTES:
        raise ValueError(
            f"attempt ids have {ATTEMPT_ID_BYTES} bytes each, but the message has {len(ids)} bytes"
        )
    for start in range(0, len(ids), ATTEMPT_ID_BYTES):
        yield ids[start : start + ATTEMPT_ID_BYTES]


class RescoringStep(msgspec.Struct, frozen=True):
    """A step of a re-scoring: the instrument's number, the run, and its position in the commit log."""

    number: int
    run: bytes
    position: int


def split_rescoring_steps(ids: bytes) -> Iterator[RescoringStep]:
    """Yield the steps in the ids of RESCORE messages; the position has 40 bits, as an arrival number.

    Raises ValueError if the length does not fit; the store sends no such message.
    """
    if len(ids) % _STEP.size:
        raise ValueError(
            f"the steps of a re-scoring have {_STEP.size} bytes each, but the message has {len(ids)} bytes"
        )
    for number, run, high, low in _STEP.iter_unpack(ids):
        yield RescoringStep(number, run, high << 32 | low)
