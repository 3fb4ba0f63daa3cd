"""When the newest good backup was taken, recorded in Redis: the job has no metrics endpoint, and the API reports it.

Written by `stanine backup`; read by a loop of the API.
"""

from typing import Any

import redis
import redis.asyncio

from stanine.store.backup.archive import BackupManifest
from stanine.store.keys import Keys

_NEWEST, _BYTES = "newest", "bytes"


def record_backup(client: "redis.Redis", keys: Keys, manifest: BackupManifest) -> None:
    """Record a good backup. Raises redis-py's errors, for example if the server is full."""
    client.hset(keys.backups, mapping={_NEWEST: manifest.taken_at, _BYTES: manifest.bytes})


async def newest_backup_at(client: "redis.asyncio.Redis", keys: Keys) -> float:
    """Return when the newest good backup was taken (Unix time in seconds); 0 if none is recorded."""
    reader: Any = client
    found = await reader.hget(keys.backups, _NEWEST)
    return int(found or 0) / 1000
