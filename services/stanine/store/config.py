"""The application's runtime settings: a hash in Redis, one field a setting, followed by every process without a restart.

The hash is written by the operator (RedisConfig) or by hand (`HSET <namespace>:{p0}:config durability Fsync`); a field that is
not there has its default. A faulty field is reported and its setting keeps the value it had: nothing falls back silently.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import redis
import redis.asyncio

from stanine.store.durability import Durability
from stanine.store.keys import Keys


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """What can be changed while the services run."""

    #: When a submit or publish is acknowledged.
    durability: Durability = Durability.EVERYSEC
    #: Percent of maxmemory from which new work is refused, so that what was accepted can still be scored and acknowledged.
    admission_percent: Annotated[int, msgspec.Meta(ge=10, le=95)] = 85
    #: Seconds between two sweeps of the records for what no message asks for any more.
    sweep_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 15
    #: How often the sweep re-queues an attempt before it ends it as Failed.
    max_requeues: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5


class SettingsRead(msgspec.Struct, frozen=True):
    """The settings as read, and what is wrong with the fields that were left as they were: (field, why)."""

    settings: Settings
    faults: tuple[tuple[str, str], ...] = ()


def load_settings(client: "redis.Redis", keys: Keys, previous: Settings) -> SettingsRead:
    """Read the settings that stand in Redis now."""
    fields: Any = client.hgetall(keys.config)
    return read_settings(fields, previous)


async def load_settings_async(client: "redis.asyncio.Redis", keys: Keys, previous: Settings) -> SettingsRead:
    """Read the settings that stand in Redis now, from asyncio."""
    hash_of: Any = client
    return read_settings(await hash_of.hgetall(keys.config), previous)


def read_settings(fields: Mapping[bytes, bytes], previous: Settings) -> SettingsRead:
    """Read the settings from the fields of the configuration hash; a faulty one stays as in `previous`."""
    values = dict(msgspec.to_builtins(Settings()))
    faults = []
    for name, fallback in msgspec.to_builtins(previous).items():
        text = fields.get(name.encode())
        if text is None:
            continue
        try:
            values[name] = msgspec.to_builtins(_convert_one(name, text.decode()))
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            values[name] = fallback
            faults.append((name, str(error)))
    return SettingsRead(msgspec.convert(values, Settings), tuple(faults))


def _convert_one(name: str, text: str) -> object:
    settings = msgspec.convert({name: text}, Settings, strict=False)
    return msgspec.to_builtins(settings)[name]
