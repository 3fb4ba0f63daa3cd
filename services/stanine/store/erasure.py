"""Erase attempts and participants. Used by the API and by the retention of instruments.

One function call erases up to ERASED_AT_ONCE attempts. Concurrent retries, commits and sweeps treat them as erased.
Erasing a participant repeats until no attempt was added during it. The key of an erased attempt leaves a tombstone,
which contains only a MAC and an expiry and prevents a retried submission from storing the attempt again. Every erasure
by order is recorded in the erasure journal (stanine.store.journal).

For replicas, the append-only file and backups see docs/howto/erase.md.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import redis.asyncio

from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.durability import Writer
from stanine.store.errors import CorruptRecordError
from stanine.store.invitations import Invitations
from stanine.store.journal import encode_participant
from stanine.store.keys import INVITATION_BYTES, Keys
from stanine.store.reading import AttemptRecords
from stanine.store.records import StoredAttempt, read_attempt
from stanine.store.secret import Secrets, TokenSecrets, new_secret
from stanine.store.sessions import SESSION_BYTES, Sessions, session_id

#: Attempts per `erase` call: splitting their blocks occupies the server for about a millisecond.
ERASED_AT_ONCE = 100
#: Attempts of a participant read per call.
PAGE = 256


class Erased(msgspec.Struct):
    """Numbers of erased records."""

    attempts: int = 0
    sessions: int = 0
    invitations: int = 0


class Erasure:
    """Erases in one namespace, for asyncio. `tombstone_ms` returns how long the key of an erased attempt is refused."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        writer: Writer,
        keys: Keys,
        records: AttemptRecords,
        sessions: Sessions,
        invitations: Invitations,
        secrets: TokenSecrets,
        tombstone_ms: Callable[[], int],
    ) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys
        self._records = records
        self._sessions = sessions
        self._invitations = invitations
        self._secrets = secrets
        self._tombstone_ms = tombstone_ms

    async def prepare(self) -> Secrets:
        """Return the secrets of tombstones and of the journal; make one if the server has none.

        Called when a process starts, so that every backup contains one.
        """
        return await self._secrets.load(new_secret())

    async def rotate_secret(self) -> None:
        """Make a new secret; the former one is kept as long as tombstones made with it are valid."""
        await self._secrets.rotate(new_secret(), self._tombstone_ms())

    async def attempt(self, attempt_id: bytes, *, by_order: bool = True) -> bool:
        """Erase an attempt with its results, its session and its single-use invitation.

        `by_order`: record it in the journal. Returns whether the attempt existed and was not yet erased. An interrupted
        erasure is completed by repeating it.
        """
        await self._session_of(attempt_id, by_order=by_order)
        try:
            found = await self._records.read(attempt_id)
        except CorruptRecordError:
            found = None  # the key is unknown, so the record is erased without a tombstone
        key = b"" if found is None else _key_of(found[0])
        return await self._erase([(attempt_id, key)], by_order=by_order) == 1

    async def participant(self, participant: str) -> Erased:
        """Erase all attempts, sessions and invitations of a participant."""
        done = Erased()
        fingerprint = participant_fingerprint(participant)
        secrets = await self.prepare()
        await self._note("p", encode_participant(secrets.by_name(), participant))
        while True:
            # Invitations first, since they can still open sessions; then sessions, which become attempts.
            opened = await self._opened(fingerprint, participant, done)
            position = 0
            while page := await self._page(fingerprint, position):
                matching = []
                for attempt_id, record in page:
                    attempt = _read(record, attempt_id)
                    # Fingerprints can collide: keep the attempts of other participants.
                    if record and (attempt is None or attempt.participant == participant):
                        matching.append((attempt_id, b"" if attempt is None else _key_of(attempt)))
                done.attempts += await self._erase(matching, by_order=True)
                position += len(page)
            forgotten = await self._writer.call(
                "forget_participant", [self._keys.arrivals], [fingerprint, position]
            )
            if forgotten and not opened:
                return done

    async def invitation(self, invitation_id: bytes) -> bool:
        """Erase an invitation that an erased attempt's session came from; return whether it existed."""
        await self._note("v", invitation_id)
        return await self._invitations.drop(invitation_id)

    async def _note(self, field: str, value: str | bytes) -> None:
        """Record in the journal what is about to be erased."""
        await self._writer.call("note_erasure", [self._keys.arrivals], [field, value])

    async def _erase(self, attempts: Sequence[tuple[bytes, bytes]], *, by_order: bool) -> int:
        erased, proposed = 0, new_secret()
        seconds, micro = await self._client.time()
        expires = seconds * 1000 + micro // 1000 + self._tombstone_ms()
        for part in _parts(attempts):
            args = [expires, int(by_order), proposed.name, proposed.current]
            args += [each for pair in part for each in pair]
            reply = await self._writer.call("erase", [self._keys.arrivals], args)
            erased += reply.count(b"1")
        return erased

    async def _page(self, fingerprint: bytes, position: int) -> list[tuple[bytes, bytes]]:
        reply = await self._writer.read(
            "participant_attempts", [self._keys.arrivals], [fingerprint, position, PAGE]
        )
        return list(zip(reply[::2], reply[1::2], strict=True))

    async def _opened(self, fingerprint: bytes, participant: str, done: Erased) -> bool:
        """Remove the participant's invitations and sessions; return whether any existed."""
        members = await self._client.smembers(f"{self._keys.partition}:o:{fingerprint.hex()}")
        before = done.invitations + done.sessions
        for member in sorted(members, reverse=True):  # `v` before `s`
            kind, name = member[:1], member[1:]
            if kind == b"v" and len(name) == INVITATION_BYTES:
                invitation = await self._invitations.read(name)
                if invitation is None or invitation.given.participant == participant:
                    done.invitations += await self._invitations.drop(name)
            elif kind == b"s" and len(name) == SESSION_BYTES:
                session = await self._sessions.read(name)
                if session is None or session.given.participant == participant:
                    done.sessions += await self._sessions.drop(name, expired=False)
        return done.invitations + done.sessions > before

    async def _session_of(self, attempt_id: bytes, *, by_order: bool) -> None:
        """Remove the session of an attempt and its single-use invitation; both name the participant."""
        name = session_id(attempt_id)
        session = await self._sessions.read(name)
        if session is None:
            return
        if session.invitation:
            invitation = await self._invitations.read(session.invitation)
            if invitation is not None and invitation.most_uses == 1:
                if by_order:
                    await self.invitation(session.invitation)
                else:
                    await self._invitations.drop(session.invitation)
        await self._sessions.drop(name, expired=False)


def _parts(attempts: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    for start in range(0, len(attempts), ERASED_AT_ONCE):
        yield attempts[start : start + ERASED_AT_ONCE]


def _read(record: bytes, attempt_id: bytes) -> StoredAttempt | None:
    try:
        return read_attempt(record, attempt_id) if record else None
    except CorruptRecordError:
        return None


def _key_of(attempt: StoredAttempt) -> bytes:
    """Return the fingerprint of an attempt's key; empty without a key."""
    return (
        b""
        if attempt.key is None
        else key_fingerprint(key_scope(attempt.key_space, attempt.number), attempt.key.encode())
    )
