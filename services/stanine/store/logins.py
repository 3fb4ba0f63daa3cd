"""Logins: tokens that stand for an API key for some hours. Used by the API.

The server stores the SHA-256 of the token and of the key, never the token or the key. A login expires IDLE_MS after
its last use, and LIFETIME_MS after its beginning at the latest, by the server's clock.
"""

import hashlib
from typing import Any

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import Keys

#: Milliseconds without a request after which a login ends, and from its beginning to its end: half an hour, and a
#: working day.
IDLE_MS, LIFETIME_MS = 30 * 60_000, 8 * 3_600_000
#: Milliseconds that a login must have been unused before a request extends it: one write a minute, not one a request.
TOUCH_MS = 60_000
#: Maximum logins of a key; beyond, its oldest login ends. A key can be shared by the members of a team.
MAX_LOGINS = 200
#: Maximum new logins of a key per minute: far more than people need, few enough to keep the zset small.
MAX_LOGINS_PER_MINUTE = 60

_OWNER_BYTES = 8


class StoredLogin(msgspec.Struct, frozen=True):
    """A login as stored. `key`: SHA-256 of its API key; `ends`: ms since 1970, also without pauses in its use."""

    key: bytes
    ends: int


class Logins:
    """The logins of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys

    async def begin(self, token: bytes, key: bytes) -> int | None:
        """Store a login of a new random token for an API key (`key`: its SHA-256).

        Returns its end (ms since 1970); None if the key has begun MAX_LOGINS_PER_MINUTE in the last minute.
        """
        args: list[Argument] = [
            _digest(token), hashlib.blake2b(key, digest_size=_OWNER_BYTES, person=b"stanine-login").digest(), key,
            IDLE_MS, LIFETIME_MS, MAX_LOGINS, MAX_LOGINS_PER_MINUTE,
        ]  # fmt: skip
        ends = int(
            await self._library.call_async(self._client, "begin_login", [self._keys.arrivals], args)
        )
        return ends or None

    async def use(self, token: bytes) -> StoredLogin | None:
        """Return the login of a token and extend it; None if it is unknown or has ended."""
        name = self._keys.login(_digest(token))
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hmget(name, "key", "ends")
        pipeline.pttl(name)
        pipeline.time()
        (key, ends), left, (seconds, micros) = await pipeline.execute()
        if key is None:
            return None
        try:
            login = StoredLogin(key, int(ends))
        except (TypeError, ValueError) as error:
            raise CorruptRecordError("a login cannot be read") from error
        kept = min(IDLE_MS, login.ends - (int(seconds) * 1000 + int(micros) // 1000))
        if kept <= 0:
            return None
        if kept - left > TOUCH_MS:
            await self._client.pexpire(name, kept)
        return login

    async def end(self, token: bytes) -> None:
        """End a login; repeating it has no effect."""
        await self._client.unlink(self._keys.login(_digest(token)))


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
