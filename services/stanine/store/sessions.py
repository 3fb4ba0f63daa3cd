"""Sessions: attempts in progress. Used by the API.

A session is one hash. A save is one function call and does not touch a queue. Submitting stores the attempt, queues its
scoring and closes the session atomically, idempotent by session. Deadlines follow the server's clock.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import redis.asyncio

from stanine.messages import Outbox
from stanine.store.attempts import Submission, submit_call
from stanine.store.digests import participant_fingerprint
from stanine.store.durability import Writer
from stanine.store.errors import CorruptRecordError, stale_views
from stanine.store.invitations import Given
from stanine.store.keys import Keys
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES

#: Bytes of a session's id: the random part of its future attempt's id, with NULs in place of the arrival number. The
#: session of an erased attempt is thus found without a record of it.
SESSION_BYTES = RANDOM_BYTES + ARRIVAL_BYTES
#: Random bytes that identify a save.
MARK_BYTES = 8


def session_id(random: bytes) -> bytes:
    """Return the id of the session whose attempt has these random bytes, with its partition."""
    return random[:RANDOM_BYTES] + bytes(ARRIVAL_BYTES)


SessionState = Literal["Open", "Submitted", "Withdrawn"]
_STATES: dict[bytes, SessionState] = {
    b"Open": "Open",
    b"Submitted": "Submitted",
    b"Withdrawn": "Withdrawn",
}


class NewSession(msgspec.Struct, frozen=True):
    """A session to open. Times are in ms; a `time_limit_ms` of 0 means none.

    `view`: the index view from which the form was read.
    """

    id: bytes
    number: int
    revision: int
    view: str
    given: Given
    lifetime_ms: int
    grace_ms: int
    invitation: bytes = b""


class StoredSession(msgspec.Struct, frozen=True):
    """A session as stored.

    `answers`: saved answers by item; `attempt`: id of the submitted attempt. Times are in ms, 0 for none.
    """

    id: bytes
    number: int
    revision: int
    view: str
    invitation: bytes
    opened_at: int
    deadline: int
    grace_ms: int
    expires_at: int
    seq: int
    page: int
    state: SessionState
    attempt: bytes
    given: Given
    answers: Mapping[str, bytes]
    #: When it was read, by the database's clock (ms); 0 if that was not asked for.
    read_at: int
    #: Deadlines (ms) of the opened sections with a time limit.
    sections: Mapping[str, int] = {}
    #: The language that the participant changed to; None: that of `given`.
    language: str | None = None
    #: Random bytes of the last save.
    mark: bytes = b""


class AnswersMark(msgspec.Struct, frozen=True):
    """Identifies the answers of a session: `seq` and random bytes of its last save; empty before the first one."""

    seq: int = 0
    mark: bytes = b""


class SaveOutcome(msgspec.Struct, frozen=True):
    """What a save did.

    `outcome`: Saved, Repeated (the same save again), Older (`seq` is not greater), Changed (the answers are others than
    expected, and nothing was saved), Over (the time of a section with answers has passed), Unknown, Submitted, Withdrawn
    or Late.
    """

    outcome: str
    #: Of Saved: the answers that it was merged into, and the answers now.
    before: AnswersMark = AnswersMark()
    after: AnswersMark = AnswersMark()
    #: Of Changed: the session.
    session: StoredSession | None = None


class SectionUse(msgspec.Struct, frozen=True):
    """A section with a time limit that a save names. Its time runs from the first such save.

    `is_answered`: the save has answers to its items, which are rejected after its deadline and grace.
    """

    section: str
    limit_ms: int
    is_answered: bool


class SubmittedSession(msgspec.Struct, frozen=True):
    """Result of submitting a session.

    `outcome`: Submitted, Conflict (`attempt` already has its key), Changed (saved since its answers were read),
    Unknown, Withdrawn, Late, or Gone (the instrument was removed).
    """

    outcome: str
    attempt: bytes = b""
    repeated: bool = False


class Sessions:
    """The sessions of one namespace, for asyncio."""

    def __init__(
        self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys, outbox: Outbox
    ) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys
        self._outbox = outbox

    async def open(self, new: NewSession) -> str:
        """Open a session, kept for `lifetime_ms` after its opening, or after deadline and grace.

        Returns Opened, Repeated, or the reason of a rejection: Unknown, Revoked, Expired, Used (the invitation), Gone (the
        instrument).
        Raises StaleViewError if the form was read with the index of other data.
        """
        person = (
            b"" if new.given.participant is None else participant_fingerprint(new.given.participant)
        )
        given = msgspec.msgpack.encode(new.given)
        times = [new.given.time_limit_ms, new.grace_ms, new.lifetime_ms]
        args = [new.id, new.view, new.invitation, new.number, new.revision, *times, given, person]
        with stale_views():
            reply = await self._writer.call("open_session", [self._keys.arrivals], args)
        return str(reply.decode().capitalize())

    async def read(self, session_id: bytes) -> StoredSession | None:
        """Return a session, or None.

        Closed and expired sessions are returned until they are removed.
        """
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(self._keys.session(session_id))
        pipeline.time()
        fields, (seconds, micros) = await pipeline.execute()
        return _read(session_id, fields, seconds * 1000 + micros // 1000) if fields else None

    async def save(
        self,
        session_id: bytes,
        seq: int,
        content: bytes,
        page: int,
        answers: Mapping[str, bytes],
        *,
        sections: Sequence[SectionUse] = (),
        language: str | None = None,
        expected: AnswersMark | None = None,
    ) -> SaveOutcome:
        """Save answers; an empty value removes the item's answer.

        `content`: digest of the save; `seq`: greater than the last save's; `language`: the new one, if it changes;
        `expected`: the answers that the save was validated with, None if it does not depend on others.
        """
        mark = os.urandom(MARK_BYTES)
        wanted = ("", "") if expected is None else (expected.seq, expected.mark)
        args: list[Any] = [session_id, seq, content, page, language or "", mark, *wanted]
        args.append(len(sections))
        for one in sections:
            args += [one.section, one.limit_ms, int(one.is_answered)]
        for item, value in answers.items():
            args += [item, value]
        word, *found = await self._writer.call("save_session", [self._keys.arrivals], args)
        outcome = word.decode().capitalize()
        if outcome == "Saved":
            before = AnswersMark(int(found[0]), found[1])
            return SaveOutcome(outcome, before, AnswersMark(seq, mark))
        if outcome == "Changed":
            fields = dict(zip(found[::2], found[1::2], strict=True))
            return SaveOutcome(outcome, session=_read(session_id, fields, 0))
        return SaveOutcome(outcome)

    async def submit(
        self,
        session_id: bytes,
        seq: int,
        attempt: Submission,
        *,
        trace: bytes = b"",
        swept: bool = False,
    ) -> SubmittedSession:
        """Store the session's attempt and queue its scoring, atomically.

        `seq`: of the save that its answers are from; `swept`: submitted by the sweep, at its deadline. A session that
        was already submitted returns its attempt. Raises StaleViewError.
        """
        keys, args = submit_call(self._keys, self._outbox, [attempt], trace, 1)
        with stale_views():
            reply = await self._writer.call(
                "submit_session", keys, [session_id, seq, int(swept), *args]
            )
        outcome = reply[0].decode().capitalize()
        return SubmittedSession(
            outcome, reply[1] if len(reply) > 1 else b"", repeated=len(reply) > 2 and reply[2] == 1
        )

    async def withdraw(self, session_id: bytes) -> str:
        """Close a session and remove its answers; return Withdrawn, Unknown or Submitted."""
        reply = await self._writer.call("withdraw_session", [self._keys.arrivals], [session_id])
        return str(reply.decode().capitalize())

    async def extend(self, session_id: bytes, limit_ms: int, kept_ms: int) -> int:
        """Extend the time limit of an open session, measured from its opening.

        Returns the deadline (ms); 0 if the session is not open or has none. `kept_ms`: retention after deadline and grace. A
        deadline never moves back.
        """
        return int(
            await self._writer.call(
                "extend_session", [self._keys.arrivals], [session_id, limit_ms, kept_ms]
            )
        )

    async def due(self, now: int, limit: int, start: int = 0) -> list[bytes]:
        """Return ids of sessions past deadline and grace, or expired, for the sweep.

        `now`: ms; `start`: number of sessions to skip.
        """
        found: list[bytes] = await self._client.zrange(
            self._keys.sessions_due, "-inf", now, byscore=True, offset=start, num=limit
        )
        return found

    async def now(self) -> int:
        """Return the server's time (ms)."""
        seconds, micros = await self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def drop(self, session_id: bytes, *, expired: bool = True) -> bool:
        """Remove an expired session (any, if `expired` is False); return whether it existed."""
        return bool(
            await self._writer.call(
                "drop_session", [self._keys.arrivals], [session_id, int(not expired)]
            )
        )

    async def counts(self) -> dict[str, int]:
        """Return the numbers of sessions opened, submitted, withdrawn, and expired."""
        found = await self._client.hgetall(self._keys.sessions)
        return {name.decode(): int(count) for name, count in found.items()}


def _read(session_id: bytes, fields: Mapping[bytes, bytes], read_at: int) -> StoredSession:
    try:
        return StoredSession(
            session_id,
            int(fields[b"number"]),
            int(fields[b"revision"]),
            fields[b"view"].decode(),
            fields[b"invitation"],
            int(fields[b"opened"]),
            int(fields[b"deadline"]),
            int(fields[b"grace"]),
            int(fields[b"expires"]),
            int(fields[b"seq"]),
            int(fields[b"page"]),
            _STATES[fields[b"state"]],
            fields[b"attempt"],
            msgspec.msgpack.decode(fields[b"given"], type=Given),
            {name[1:].decode(): value for name, value in fields.items() if name.startswith(b"A")},
            read_at,
            {
                name[1:].decode(): int(value)
                for name, value in fields.items()
                if name.startswith(b"T")
            },
            fields[b"language"].decode() if b"language" in fields else None,
            fields.get(b"mark", b""),
        )
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise CorruptRecordError("a session cannot be read") from error
