"""How a service follows the settings: one look at whatever layout is there. Called by the loops of the API and of the watchers."""

from typing import Any

import redis
import redis.asyncio

from stanine.store.configuration.settings import Settings, SettingsRead, read_settings
from stanine.store.keys import Keys


def load_settings(client: "redis.Redis", keys: Keys, previous: Settings) -> SettingsRead:
    """Read the settings that stand in Redis now."""
    fields: Any = client.hgetall(keys.config)
    return read_settings(fields, previous)


async def load_settings_async(client: "redis.asyncio.Redis", keys: Keys, previous: Settings) -> SettingsRead:
    """Read the settings that stand in Redis now, from asyncio."""
    hash_of: Any = client
    return read_settings(await hash_of.hgetall(keys.config), previous)
