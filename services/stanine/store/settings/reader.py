"""Read the settings for a service, independent of layout. Called by the loops of the API and of the watchers.

The active layout is determined as in `snapshot`.
"""

from typing import Any

import msgspec
import redis
import redis.asyncio

from stanine.store.keys import Keys
from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import NAMES, SettingsRead, read_settings
from stanine.store.settings.snapshot import SettingsLayout
from stanine.store.settings.string_layout import read_string


def load_settings(client: "redis.Redis", keys: Keys, previous: SettingsRead) -> SettingsRead:
    """Read the stored settings; an invalid value keeps the one in `previous`."""
    return _read(_queue_reads(client.pipeline(transaction=True), keys).execute(), previous)


async def load_settings_async(
    client: "redis.asyncio.Redis", keys: Keys, previous: SettingsRead
) -> SettingsRead:
    """Read the stored settings from asyncio, as `load_settings`."""
    return _read(await _queue_reads(client.pipeline(transaction=True), keys).execute(), previous)


def _queue_reads(pipeline: Any, keys: Keys) -> Any:
    # One transaction: a migration between two commands would make both layouts appear empty.
    pipeline.hmget(keys.config, NAMES)
    pipeline.exists(keys.config)
    pipeline.hget(keys.config_meta, "layout")
    pipeline.get(keys.config_string)
    return pipeline


def _read(replies: Any, previous: SettingsRead) -> SettingsRead:
    texts, has_hash, layout, string = replies
    if has_hash or string is None or layout == SettingsLayout.HASH.encode():
        known = {
            name: text.decode(errors="backslashreplace")
            for name, text in zip(NAMES, texts, strict=True)
            if text is not None
        }
        return read_settings(known, previous.settings)
    if string == previous.text:
        return previous
    try:
        read = read_settings(read_string(string).values(), previous.settings)
    except StringUnreadableError as error:
        read = SettingsRead(previous.settings, (("", str(error)),), previous.stated)
    return msgspec.structs.replace(read, text=string)
