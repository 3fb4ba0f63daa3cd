"""Reads and changes the runtime configuration. Used by its routes.

The operations are synchronous and rare, so each runs in a thread.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from stanine.api.admin.settings_bodies import ConfigBody, RevisionBody, SettingBody
from stanine.api.bodies import given
from stanine.api.result_presenter import iso
from stanine.api.web.deadlines import within
from stanine.broker.connection.clients import connect
from stanine.store.keys import Keys
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration, Memory
from stanine.store.settings.model import NAMES, SettingsRead
from stanine.store.settings.snapshot import Revision, Snapshot, readable

T = TypeVar("T")

#: Maximum connections to Redis; requests for the configuration are rare.
_POOL_SIZE = 2


class SettingsAdmin:
    """Runs operations on the configuration in threads."""

    def __init__(self, redis_url: str, keys: Keys) -> None:
        """Open no connection before the first call."""
        self._client = connect(redis_url, pool_size=_POOL_SIZE)
        self._configuration = Configuration(self._client, load_library(), keys)

    async def call(self, work: Callable[[Configuration], T]) -> T:
        """Run an operation. Raises ConfigurationError, redis-py's errors and TimeoutError."""
        return await within(asyncio.to_thread(work, self._configuration))

    async def read(self) -> ConfigBody:
        """Return the stored configuration."""
        return await self.call(
            lambda configuration: describe_stored(configuration.read(), configuration.memory())
        )

    async def history(self) -> list[RevisionBody]:
        """Return the stored revisions, newest first."""
        return await self.call(lambda configuration: describe_history(configuration.history()))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def describe_stored(stored: Snapshot, memory: Memory) -> ConfigBody:
    """Return the body of the stored configuration."""
    return ConfigBody(
        revision=stored.revision,
        layout=stored.layout.value,
        dual_write=stored.meta.dual,
        edited=stored.edited,
        string=stored.string.value,
        settings=describe_settings(stored.read),
        others=sorted(readable(name) for name in stored.values.keys() - set(NAMES)),
        bytes={name: size for name, size in msgspec.structs.asdict(memory).items() if size},
        managed_by=given(stored.managed_by.name if stored.managed_by else None),
        unreadable=given(stored.unreadable or None),
    )


def describe_settings(read: SettingsRead) -> list[SettingBody]:
    """Return the bodies of all settings, in the order of the record."""
    faults = dict(read.faults)
    return [
        SettingBody(name, value, name in read.stated, given(faults.get(name)))
        for name, value in msgspec.to_builtins(read.settings).items()
    ]


def describe_history(history: Sequence[Revision]) -> list[RevisionBody]:
    """Return the bodies of the revisions, newest first.

    The changes of the oldest stored revision are known only if it is the first revision.
    """
    values = {each.number: each.values for each in history} | {0: {}}
    return [_describe(each, values.get(each.number - 1, each.values)) for each in history]


def _describe(revision: Revision, before: Mapping[str, str]) -> RevisionBody:
    values = revision.values
    changed = {
        name for name in values.keys() | before.keys() if values.get(name) != before.get(name)
    }
    return RevisionBody(
        revision=revision.number,
        at=iso(revision.at_ms),
        origin=revision.origin.value,
        settings={name: readable(values[name]) for name in NAMES if name in values},
        changed=[name for name in NAMES if name in changed],
        changed_others=len(changed - set(NAMES)),
        by=given(revision.by or None),
        of=given(revision.of or None),
    )
