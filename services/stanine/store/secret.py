"""The secrets of tokens, of the codes of invitations, and of tombstones: one truth for a namespace's processes, in Redis and nowhere else.

Tokens are signed with the current secret; after a rotation, tokens of earlier secrets are accepted until they expire.
Used by the API.
"""

import secrets
from typing import Any

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library

#: Bytes of a secret (the size of the hash) and hexadecimal digits of its random name.
SECRET_BYTES, NAME_BYTES = 32, 8

_CURRENT, _SECRET, _UNTIL = b"current", b"secret:", b"until:"


class Secrets(msgspec.Struct, frozen=True):
    """The current secret, its random name, and earlier secrets whose tokens are still accepted."""

    name: str
    current: bytes
    former: tuple[bytes, ...] = ()
    #: Names of the earlier secrets, in the same order.
    former_names: tuple[str, ...] = ()

    def by_name(self) -> dict[str, bytes]:
        """Return all these secrets by name, the current one first."""
        return {self.name: self.current, **dict(zip(self.former_names, self.former, strict=True))}


def new_secret() -> Secrets:
    """Return a new random secret."""
    return Secrets(secrets.token_hex(NAME_BYTES), secrets.token_bytes(SECRET_BYTES))


class TokenSecrets:
    """Secrets of one use in a namespace, for asyncio; each use has a key of its own and is rotated on its own."""

    def __init__(self, client: "redis.asyncio.Redis", library: Library, key: str) -> None:
        self._client: Any = client
        self._library = library
        self._key = key

    async def load(self, proposed: Secrets) -> Secrets:
        """Return the server's secrets.

        Store `proposed` as the current one if the server has none.
        """
        found = await self._read()
        if found is None:
            await self._library.call_async(
                self._client, "ensure_secret", [self._key], [proposed.name, proposed.current]
            )
            found = await self._read()
        return found or proposed

    async def all_by_name(self) -> dict[str, bytes]:
        """Return all secrets by name, including those whose tokens are not accepted any more but not yet removed."""
        fields = await self._client.hgetall(self._key)
        return {
            field.removeprefix(_SECRET).decode(): secret
            for field, secret in fields.items()
            if field.startswith(_SECRET)
        }

    async def rotate(self, proposed: Secrets, keep_ms: int) -> int:
        """Make `proposed` the current secret.

        Return the expiry of the previous one's tokens (ms since 1970).
        """
        args: list[Argument] = [proposed.name, proposed.current, keep_ms]
        return int(await self._library.call_async(self._client, "rotate_secret", [self._key], args))

    async def _read(self) -> Secrets | None:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(self._key)
        pipeline.time()
        fields, (seconds, micros) = await pipeline.execute()
        name = fields.get(_CURRENT)
        current = fields.get(_SECRET + name) if name else None
        if not current:
            return None
        now = seconds * 1000 + micros // 1000
        ends = {
            field.removeprefix(_UNTIL): int(end)
            for field, end in fields.items()
            if field.startswith(_UNTIL)
        }
        valid = sorted(
            former
            for former, end in ends.items()
            if end > now and former != name and _SECRET + former in fields
        )
        return Secrets(
            name.decode(),
            current,
            tuple(fields[_SECRET + former] for former in valid),
            tuple(former.decode() for former in valid),
        )
