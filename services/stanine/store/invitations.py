"""Invitations, which allow their holders to open sessions for an instrument. Used by the API.

An invitation is stored under a random id of INVITATION_BYTES. The API derives its code from the id; the code is not
stored. Creation is idempotent by the key within (key space, instrument), as for attempts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import redis.asyncio

from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.durability import Writer
from stanine.store.errors import CorruptRecordError, StoreError
from stanine.store.keys import INVITATION_BYTES, Keys

#: Invitations per `invite` call.
MAX_INVITATIONS = 500

_OUTCOMES: dict[int, Literal["new", "repeated", "conflict", "gone"]] = {
    ord("N"): "new",
    ord("R"): "repeated",
    ord("C"): "conflict",
    ord("G"): "gone",
}


#: The parts of a result that its participant may read.
Show = Literal["None", "Participant", "AfterRelease"]


class Given(msgspec.Struct, frozen=True, array_like=True):
    """Options of a session, set by the creator of the invitation or session.

    `show`, `return_url`: see the API.
    """

    participant: str | None = None
    language: str | None = None
    attributes: Mapping[str, int | float | str] = {}
    time_limit_ms: int = 0
    show: Show = "None"
    return_url: str | None = None
    #: Key of the attempt that the session creates, and the digest of its key space.
    key: str | None = None
    key_space: bytes = b""


class NewInvitation(msgspec.Struct, frozen=True):
    """An invitation to create.

    `id`: INVITATION_BYTES random bytes; `content`: digest of the request; `expires_at`: ms since 1970, 0 for never.
    """

    id: bytes
    content: bytes
    given: Given
    key: str | None = None
    key_space: bytes = b""
    revision: int = 0
    most_uses: int = 1
    expires_at: int = 0


class Invited(msgspec.Struct, frozen=True):
    """Result of creating an invitation.

    `id` is the existing invitation for `repeated` and `conflict`, and empty for `gone` (the instrument was removed).
    """

    id: bytes
    outcome: Literal["new", "repeated", "conflict", "gone"]


class StoredInvitation(msgspec.Struct, frozen=True):
    """A stored invitation. Times are ms since 1970; 0 means never."""

    id: bytes
    number: int
    revision: int
    key: str | None
    key_space: bytes
    uses: int
    most_uses: int
    expires_at: int
    revoked_at: int
    given: Given


class Invitations:
    """The invitations of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys

    async def create(self, number: int, new: Sequence[NewInvitation]) -> list[Invited]:
        """Create invitations for an instrument, each only if its key is unused.

        At most MAX_INVITATIONS; raises StoreError otherwise.
        """
        if not 0 < len(new) <= MAX_INVITATIONS:
            raise StoreError(
                f"{len(new)} invitations in one call: 1 to {MAX_INVITATIONS} are allowed"
            )
        args: list[Any] = [number]
        for one in new:
            fingerprint = (
                b""
                if one.key is None
                else key_fingerprint(key_scope(one.key_space, number), one.key.encode())
            )
            person = (
                b""
                if one.given.participant is None
                else participant_fingerprint(one.given.participant)
            )
            given = msgspec.msgpack.encode(one.given)
            args += [
                one.id,
                fingerprint,
                one.key_space,
                one.key or "",
                one.content,
                one.revision,
                one.most_uses,
                one.expires_at,
                given,
                person,
            ]
        reply = await self._writer.call("invite", [self._keys.arrivals], args)
        others, found = len(new), []
        for one, code in zip(new, reply[: len(new)], strict=True):
            outcome = _OUTCOMES[code]
            if outcome in ("repeated", "conflict"):
                found.append(Invited(reply[others : others + INVITATION_BYTES], outcome))
                others += INVITATION_BYTES
            else:
                found.append(Invited(b"" if outcome == "gone" else one.id, outcome))
        return found

    async def read(self, invitation_id: bytes) -> StoredInvitation | None:
        """Return an invitation, or None if it does not exist."""
        fields = await self._client.hgetall(self._keys.invitation(invitation_id))
        return _read(invitation_id, fields) if fields else None

    async def revoke(self, invitation_id: bytes) -> bool:
        """Revoke an invitation, so that it opens no more sessions; return whether it exists."""
        return bool(
            await self._writer.call(
                "change_invitation", [self._keys.arrivals], [invitation_id, "revoke", 0]
            )
        )

    async def extend(self, invitation_id: bytes, expires_at: int) -> bool:
        """Set the expiry of an invitation (ms; 0: never); return whether it exists."""
        return bool(
            await self._writer.call(
                "change_invitation", [self._keys.arrivals], [invitation_id, "extend", expires_at]
            )
        )

    async def drop(self, invitation_id: bytes) -> bool:
        """Remove an invitation; return whether it existed."""
        return bool(
            await self._writer.call("drop_invitation", [self._keys.arrivals], [invitation_id])
        )

    async def release(self, number: int, *, released: bool) -> int:
        """Release an instrument's results, or withdraw the release, for invitations with AfterRelease.

        Returns the time (ms) of the first release, 0 if not released.
        """
        return int(
            await self._writer.call(
                "release_results", [self._keys.arrivals], [number, int(released)]
            )
        )

    async def is_released(self, number: int) -> bool:
        """Return whether the results of an instrument are released."""
        return await self._client.hget(self._keys.released, number) is not None

    async def page(
        self, number: int, position: int, limit: int
    ) -> list[tuple[bytes, StoredInvitation | None]]:
        """Return up to `limit` invitations with ids from a position, by creation; None: removed."""
        reply = await self._writer.read(
            "list_invitations", [self._keys.arrivals], [number, position, limit]
        )
        found: list[tuple[bytes, StoredInvitation | None]] = []
        for place in range(0, len(reply), 2):
            values = reply[place + 1]
            fields = (
                values
                if isinstance(values, dict)
                else dict(zip(values[::2], values[1::2], strict=True))
            )
            found.append((reply[place], _read(reply[place], fields) if fields else None))
        return found


def _read(invitation_id: bytes, fields: Mapping[bytes, bytes]) -> StoredInvitation:
    try:
        return StoredInvitation(
            invitation_id,
            int(fields[b"number"]),
            int(fields[b"revision"]),
            fields[b"key"].decode() or None,
            fields[b"space"],
            int(fields[b"uses"]),
            int(fields[b"most"]),
            int(fields[b"expires"]),
            int(fields[b"revoked"]),
            msgspec.msgpack.decode(fields[b"given"], type=Given),
        )
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise CorruptRecordError("an invitation cannot be read") from error
