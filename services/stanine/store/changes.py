"""The list of changes that API keys have made: who, what, how many. Used by the API.

A change is stored before it is made and completed afterwards, so that none is missing: one without a status was
interrupted, and its effect is unknown. At most MAX_CHANGES are kept. A change names no person and no attempt.
"""

from typing import Any

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Library
from stanine.store.cursors import UNKNOWN, Cursor, Mark, SealedCursor, tag_of
from stanine.store.errors import CorruptRecordError, LostCursorError
from stanine.store.keys import Keys

#: Changes that are kept: about 2 MB.
MAX_CHANGES = 10_000
#: Bytes of a change's random name.
CHANGE_BYTES = 8


class RecordedChange(msgspec.Struct, frozen=True, array_like=True):
    """A change. `status`: of the HTTP answer, 0 while there is none; `count`: changed objects, None if not counted."""

    #: The name of the API key, and the operation.
    by: str
    action: str
    #: The address without names of people and attempts.
    resource: str
    status: int = 0
    count: int | None = None
    #: What was changed, such as names of settings.
    names: tuple[str, ...] = ()


class ListedChange(msgspec.Struct, frozen=True):
    """A change and its time (ms since 1970)."""

    at: int
    change: RecordedChange


class Changes:
    """The changes of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys

    async def begin(self, name: bytes, change: RecordedChange) -> None:
        """Store a change that is about to be made, under a random name."""
        await self._library.call_async(
            self._client,
            "begin_change",
            [self._keys.audit, self._keys.audit_order],
            [name, msgspec.msgpack.encode(change), MAX_CHANGES],
        )

    async def end(self, name: bytes, change: RecordedChange) -> None:
        """Complete a change; without effect if it is no longer kept."""
        await self._library.call_async(
            self._client,
            "end_change",
            [self._keys.audit],
            [name, msgspec.msgpack.encode(change)],
        )

    async def page(
        self, after: Cursor | SealedCursor, limit: int
    ) -> tuple[list[ListedChange], Cursor]:
        """Return changes in order, and the cursor after them.

        Raises LostCursorError if the cursor's change is not kept.
        """
        cursor = UNKNOWN if isinstance(after, SealedCursor) else after
        found = await self._client.zrange(
            self._keys.audit_order,
            cursor.position,
            "+inf",
            byscore=True,
            offset=0,
            num=limit + bool(cursor.marks),
            withscores=True,
        )
        if cursor.marks:
            if not found or _mark(*found[0]) != cursor.marks[0]:
                raise LostCursorError(Cursor().encode())
            del found[0]
        return await self._read(found, cursor)

    async def newest(self, limit: int) -> tuple[list[ListedChange], Cursor]:
        """Return the newest changes in order, and the cursor after them."""
        found = await self._client.zrange(self._keys.audit_order, -limit, -1, withscores=True)
        return await self._read(found, Cursor())

    async def _read(
        self, found: list[tuple[bytes, float]], cursor: Cursor
    ) -> tuple[list[ListedChange], Cursor]:
        if not found:
            return [], cursor
        records = await self._client.hmget(self._keys.audit, [name for name, _ in found])
        return [_decode(each) for each in records if each is not None], Cursor((_mark(*found[-1]),))


def _mark(name: bytes, number: float) -> Mark:
    return Mark(int(number), tag_of(name, b""))


def _decode(stored: bytes) -> ListedChange:
    at, _, record = stored.partition(b" ")
    try:
        return ListedChange(int(at), msgspec.msgpack.decode(record, type=RecordedChange))
    except (ValueError, msgspec.MsgspecError) as error:
        raise CorruptRecordError("a change of the audit list cannot be read") from error
