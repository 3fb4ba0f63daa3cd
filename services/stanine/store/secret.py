"""The secret that attempt tokens are made with: one for all processes of a namespace, in Redis and nowhere else."""

import secrets
from typing import Any

import redis.asyncio

from stanine.store.keys import Keys

#: Bytes of the secret: as long as the hash that it keys.
SECRET_BYTES = 32


async def load_secret(client: "redis.asyncio.Redis", keys: Keys) -> bytes:
    """Return the secret; the first process of a namespace makes it, whoever that is."""
    connection: Any = client
    secret: bytes | None = await connection.get(keys.secret)
    if secret is None:  # looked up first: a full server takes no SET, but its attempts can still be read
        await connection.set(keys.secret, secrets.token_bytes(SECRET_BYTES), nx=True)
        secret = await connection.get(keys.secret)
    assert secret is not None
    return secret
