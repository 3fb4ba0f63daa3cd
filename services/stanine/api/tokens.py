"""Attempt tokens: who has one may read that attempt's result and nothing else. Used by the intake and by reading.

A token is derived from the attempt's id with a secret that lies in Redis, shared by all API processes and stored nowhere else.
"""

import hmac

import redis.asyncio

from stanine.store.keys import Keys
from stanine.store.records import token
from stanine.store.secret import load_secret


class Tokens:
    """Makes and checks tokens, once the secret is loaded."""

    def __init__(self) -> None:
        self._secret = b""

    async def load(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        """Read the secret."""
        self._secret = await load_secret(client, keys)

    def of(self, attempt_id: bytes) -> str:
        """Return the token of an attempt."""
        assert self._secret, "nothing is accepted before the secret is loaded"
        return token(self._secret, attempt_id)

    def is_of(self, attempt_id: bytes, text: str) -> bool:
        """Tell whether text is the token of an attempt, in the same time whatever it is."""
        return hmac.compare_digest(self.of(attempt_id).encode(), text.encode())
