"""Erase attempts and participants. Used by the API and by the retention of instruments.

One function call erases up to ERASED_AT_ONCE attempts. Concurrent retries, commits and sweeps treat them as erased.
With a participant's last attempt the same call removes the participant's lists and the hash of the pseudonym that leads
to them. Erasing a participant repeats until no attempt was added during it. The key of an erased attempt leaves a
tombstone, which contains only a MAC and an expiry and prevents a retried submission from storing the attempt again.
Every erasure by order is recorded in the erasure journal (stanine.store.journal).

For replicas, the append-only file and backups see docs/howto/erase.md.
"""

from collections.abc import Callable, Sequence
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
from stanine.store.records import ARRIVAL_BYTES, StoredAttempt, read_attempt
from stanine.store.secret import Secrets, TokenSecrets, new_secret
from stanine.store.sessions import SESSION_BYTES, Sessions, session_id

#: Attempts per `erase` call: splitting their blocks occupies the server for about a millisecond.
ERASED_AT_ONCE = 100
#: Attempts of a participant read per call, and places of its list searched per call.
PAGE, SEARCHED_AT_ONCE = 256, 1024


class Erased(msgspec.Struct):
    """Numbers of erased records."""

    attempts: int = 0
    sessions: int = 0
    invitations: int = 0


class _List(msgspec.Struct, frozen=True):
    """State of a participant's list: its newest attempt, and an attempt that is kept (empty: none is)."""

    fingerprint: bytes = b""
    newest: bytes = b""
    kept: bytes = b""


#: No list: of an attempt without a participant, or one that is not looked at.
_NO_LIST = _List()


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
        """Erase an attempt with its results, its sessions and their single-use invitations.

        `by_order`: record it in the journal. Returns whether the attempt existed and was not yet erased. An interrupted
        erasure is completed by repeating it.
        """
        await self._drop_session(session_id(attempt_id), by_order=by_order)
        try:
            found = await self._records.read(attempt_id)
        except CorruptRecordError:
            found = None  # the key is unknown, so the record is erased without a tombstone
        key = b"" if found is None else _key_of(found[0])
        participant = None if found is None else found[0].participant
        if participant is not None:
            await self._drop_repeats(participant, attempt_id, by_order=by_order)
        while True:
            listed = _NO_LIST
            if participant is not None:
                listed = await self._list_without(participant_fingerprint(participant), attempt_id)
            erased, is_done = await self._erase([(attempt_id, key)], listed, by_order=by_order)
            if is_done:
                return erased == 1

    async def participant(self, participant: str) -> Erased:
        """Erase all attempts, sessions and invitations of a participant."""
        done = Erased()
        fingerprint = participant_fingerprint(participant)
        secrets = await self.prepare()
        await self._note("p", encode_participant(secrets.by_name(), participant))
        while True:
            # Invitations first, since they can still open sessions; then sessions, which become attempts.
            opened = await self._opened(fingerprint, participant, done)
            position, are_others = 0, False
            while True:
                length, newest, page = await self._page(fingerprint, position)
                if not page:
                    break
                matching = []
                for attempt_id, record in page:
                    attempt = _read(record, attempt_id)
                    # Fingerprints can collide: keep the attempts of other participants.
                    if attempt is not None and attempt.participant != participant:
                        are_others = True
                    elif record:
                        matching.append((attempt_id, b"" if attempt is None else _key_of(attempt)))
                is_last = position + len(page) >= length and not are_others
                listed = _List(fingerprint, newest) if is_last else _NO_LIST
                erased, is_done = await self._erase(matching, listed, by_order=True)
                done.attempts += erased
                if is_done:
                    position += len(page)
            if not opened and (are_others or await self._forget(fingerprint, newest)):
                return done

    async def invitation(self, invitation_id: bytes) -> bool:
        """Erase an invitation that an erased attempt's session came from; return whether it existed."""
        await self._note("v", invitation_id)
        return await self._invitations.drop(invitation_id)

    async def _note(self, field: str, value: str | bytes) -> None:
        """Record in the journal what is about to be erased."""
        await self._writer.call("note_erasure", [self._keys.arrivals], [field, value])

    async def _erase(
        self, attempts: Sequence[tuple[bytes, bytes]], listed: _List, *, by_order: bool
    ) -> tuple[int, bool]:
        """Erase attempts, given with the fingerprints of their keys.

        `listed`: the list that all of them are in, at the time of the last call. Returns the number of erased ones, and
        False if the list has changed, so that the last ones were not erased.
        """
        erased, proposed = 0, new_secret()
        seconds, micro = await self._client.time()
        expires = seconds * 1000 + micro // 1000 + self._tombstone_ms()
        for start in range(0, len(attempts), ERASED_AT_ONCE):
            part = attempts[start : start + ERASED_AT_ONCE]
            its = listed if start + len(part) == len(attempts) else _NO_LIST
            args = [expires, int(by_order), proposed.name, proposed.current]
            args += [
                its.fingerprint,
                its.newest,
                its.kept,
                *(each for pair in part for each in pair),
            ]
            reply = await self._writer.call("erase", [self._keys.arrivals], args)
            if reply == b"CHANGED":
                return erased, False
            erased += reply.count(b"1")
        return erased, True

    async def _list_without(self, fingerprint: bytes, attempt_id: bytes) -> _List:
        """Return the state of a participant's list of attempts, with one that is kept when `attempt_id` is erased."""
        stamp, newest, place = attempt_id[-ARRIVAL_BYTES:], None, b""
        while True:
            found, kept, reached = await self._writer.read(
                "kept_attempt",
                [self._keys.arrivals],
                [fingerprint, stamp, place, SEARCHED_AT_ONCE],
            )
            newest = found if newest is None else newest
            if kept or reached == 0:
                return _List(fingerprint, newest, kept)
            place = b"%d" % reached

    async def _page(
        self, fingerprint: bytes, position: int
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return length and newest attempt of a participant's list, and its attempts from a position."""
        length, newest, *reply = await self._writer.read(
            "participant_attempts", [self._keys.arrivals], [fingerprint, position, PAGE]
        )
        return length, newest, list(zip(reply[::2], reply[1::2], strict=True))

    async def _forget(self, fingerprint: bytes, newest: bytes) -> bool:
        """Remove a participant's lists, all of whose attempts were erased; return False if one was added since."""
        return bool(
            await self._writer.call(
                "forget_participant", [self._keys.arrivals], [fingerprint, newest]
            )
        )

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

    async def _drop_repeats(self, participant: str, attempt_id: bytes, *, by_order: bool) -> None:
        """Remove the participant's sessions whose answers were a repetition of an attempt, by its key."""
        person = participant_fingerprint(participant).hex()
        members = await self._client.smembers(f"{self._keys.partition}:o:{person}")
        names = [each[1:] for each in sorted(members) if each[:1] == b"s"]
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hget(self._keys.session(name), "attempt")
        for name, answered in zip(names, await pipeline.execute() if names else [], strict=True):
            if answered == attempt_id:
                await self._drop_session(name, by_order=by_order)

    async def _drop_session(self, name: bytes, *, by_order: bool) -> None:
        """Remove a session and its single-use invitation; both name the participant."""
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
