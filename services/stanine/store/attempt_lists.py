"""Lists of an instrument's attempts in order of arrival, with or without a result. Used by the API.

The order is that of the arrival numbers, which all instruments share: a cursor's position is an arrival number, and its
tag contains the instrument. Erased attempts keep their ids, so that cursors stay valid; they are not listed.
"""

from typing import Any

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.store.cursors import Cursor, Mark, move_on, tag_of
from stanine.store.digests import participant_fingerprint
from stanine.store.errors import CorruptRecordError, LostCursorError, stale_views
from stanine.store.keys import Keys
from stanine.store.records import StoredAttempt, arrival_of, encode_key, read_attempt
from stanine.store.result_layout import FAILED, SCORED, StoredResult, read_result

#: Attempts and blocks per `list_attempts` call, and blocks per `index_blocks` call: each occupies the server for about
#: a millisecond.
ATTEMPTS_PER_CALL, BLOCKS_PER_CALL, BLOCKS_INDEXED = 250, 64, 32
#: `index_blocks` calls per page: more blocks than a page reads, so that the index catches up with its reader.
INDEXED_PER_PAGE = 4
#: The kind of a result by the state of its attempt; `-`: no result.
_KINDS = {"Submitted": b"-", "Scored": bytes([SCORED]), "Failed": bytes([FAILED])}
#: Replies before the attempts.
_HEAD = 4


class AttemptFilter(msgspec.Struct, frozen=True):
    """Which attempts are wanted: submitted from `since` to before `until` (ms), in a state, with a key, of a participant.

    The key is compared in every key space.
    """

    since: int | None = None
    until: int | None = None
    state: str | None = None
    key: str | None = None
    participant: str | None = None


class AttemptPage(msgspec.Struct, frozen=True):
    """A page of attempts with their results, if any."""

    items: list[tuple[StoredAttempt, StoredResult | None]]
    #: Cursor of the next page.
    next: Cursor
    #: Whether all attempts that had arrived were examined.
    at_end: bool
    #: Ids of attempts with unreadable records, which are skipped.
    unreadable: list[bytes] = []


def cursor_after(attempt_id: bytes, number: int) -> Cursor:
    """Return the cursor after an attempt in the list of an instrument."""
    return Cursor((Mark(arrival_of(attempt_id) + 1, _tag(attempt_id, number)),))


class AttemptLists:
    """The lists of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", library: Library, keys: Keys) -> None:
        self._client = client
        self._library = library
        self._keys = keys

    async def page(
        self, number: int, cursor: Cursor, limit: int, wanted: AttemptFilter, view: str = ""
    ) -> AttemptPage:
        """Read up to `limit` attempts of an instrument, at most ATTEMPTS_PER_CALL.

        A page may be empty before the end of the list.

        Raises LostCursorError for a cursor that the list does not match, and StaleViewError if the index view
        `view` does not match the server's data.
        """
        for _ in range(INDEXED_PER_PAGE):
            if not await self._call("index_blocks", BLOCKS_INDEXED):
                break
        reached, arrived, before, last, *records = await self._read(
            number, cursor.position, min(limit, ATTEMPTS_PER_CALL), wanted, view
        )
        if cursor.marks and _tag(before, number) != cursor.marks[0].tag:
            following = await self._last_known(number, cursor.marks[1:])
            raise LostCursorError(following.encode())
        position = int(reached)
        items: list[tuple[StoredAttempt, StoredResult | None]] = []
        unreadable = []
        for start in range(0, len(records), 3):
            attempt_id, attempt, result = records[start : start + 3]
            try:
                item = (
                    read_attempt(attempt, attempt_id),
                    None if result is None else read_result(result),
                )
            except CorruptRecordError:
                unreadable.append(attempt_id)
                continue
            # Fingerprints can collide: other participants are skipped.
            if wanted.participant in (None, item[0].participant):
                items.append(item)
        following = cursor
        if position > cursor.position:
            following = move_on(cursor, Mark(position, _tag(last, number)))
        return AttemptPage(items, following, position >= int(arrived), unreadable)

    async def _last_known(self, number: int, marks: tuple[Mark, ...]) -> Cursor:
        """Return the cursor at the most recent mark that the list matches."""
        for index, mark in enumerate(marks):
            found = await self._read(number, mark.position, 0, AttemptFilter(), "")
            if _tag(found[2], number) == mark.tag:
                return Cursor(marks[index:])
        return Cursor()

    async def _read(
        self, number: int, position: int, limit: int, wanted: AttemptFilter, view: str
    ) -> list[Any]:
        kind, key = (0, b"") if wanted.key is None else encode_key(b"", wanted.key.encode())
        person = b"" if wanted.participant is None else participant_fingerprint(wanted.participant)
        found: list[Any] = await self._call(
            "list_attempts",
            view,
            number,
            position,
            limit,
            BLOCKS_PER_CALL,
            "" if wanted.since is None else wanted.since,
            "" if wanted.until is None else wanted.until,
            "" if wanted.state is None else _KINDS[wanted.state],
            kind,
            key,
            person,
        )
        return found

    async def _call(self, function: str, *args: Argument) -> Any:
        with stale_views():
            return await self._library.call_async(
                self._client, function, [self._keys.arrivals], list(args)
            )


def _tag(attempt_id: bytes, number: int) -> bytes:
    return tag_of(attempt_id, b"attempts" + number.to_bytes(4, "big"))
