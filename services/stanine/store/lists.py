"""Lists of results in commit order, by instrument and by participant. Used by the API.

A page and its attempts are read atomically. A re-scored attempt is listed once more by each new result; only its last
position shows it, with the current result, so that a reader of the whole list sees each attempt once.
"""

from typing import Literal

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.store.cursors import Cursor, Mark, move_on, tag_of
from stanine.store.digests import participant_fingerprint
from stanine.store.errors import CorruptRecordError, LostCursorError, stale_views
from stanine.store.keys import Keys
from stanine.store.records import StoredAttempt, read_attempt
from stanine.store.result_history import ResultHistory, read_history
from stanine.store.result_layout import COMMIT_BYTES, ERASED, StoredResult, read_result

#: Whose list: an instrument's or a participant's.
_Which = Literal["list_results", "list_participant"]

_Item = tuple[StoredAttempt, StoredResult] | None


class StoredResultPage(msgspec.Struct, frozen=True):
    """A page of results with their attempts, and the mark after each."""

    items: list[tuple[StoredAttempt, StoredResult, Mark]]
    #: Cursor of the next page.
    next: Cursor
    #: Whether this page is currently the last.
    at_end: bool
    #: Ids of listed attempts with unreadable records, which are skipped.
    unreadable: list[bytes] = []


class ResultLists:
    """The lists of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", library: Library, keys: Keys) -> None:
        self._client = client
        self._library = library
        self._keys = keys

    async def of_instrument(
        self, number: int, cursor: Cursor, limit: int, view: str = ""
    ) -> StoredResultPage:
        """Read up to `limit` results of an instrument.

        Raises LostCursorError for a cursor that the list does not match, and StaleViewError if the index view
        `view` does not match the server's data.
        """
        page = await self._page("list_results", [view, number], cursor, limit)
        return msgspec.structs.replace(
            page, items=[each for each in page.items if each[0].number == number]
        )

    async def arrivals(
        self, number: int, position: int, limit: int
    ) -> list[tuple[bytes, int | None]]:
        """Read ids and submission times (ms) of an instrument's results from a position; None: unknown."""
        found = await self._read("list_results", ["", number], position, limit)
        return [
            (each.id, None if each.item is None else each.item[0].submitted_at) for each in found
        ]

    async def of_participant(
        self, participant: str, cursor: Cursor, limit: int, view: str = ""
    ) -> StoredResultPage:
        """Read up to `limit` results of a participant, over all instruments.

        Raises as `of_instrument`.
        """
        page = await self._page(
            "list_participant", [view, participant_fingerprint(participant)], cursor, limit
        )
        return msgspec.structs.replace(
            page, items=[each for each in page.items if each[0].participant == participant]
        )

    async def _page(
        self, function: _Which, which: list[Argument], cursor: Cursor, limit: int
    ) -> StoredResultPage:
        marks = cursor.marks
        # Include the item before the cursor, so that the page continues from a verified item.
        before = 1 if marks else 0
        found = await self._read(function, which, cursor.position - before, limit + before)
        if marks and not _recognises(marks[0], found):
            raise LostCursorError((await self._last_known(function, which, marks)).encode())
        items, unreadable = [], []
        mark: Mark | None = None
        for position, listed in enumerate(found[before:], start=cursor.position + 1):
            mark = Mark(position, listed.tag)
            if listed.is_superseded(function, position - 1):
                continue
            if listed.item is not None:
                items.append((*listed.item, mark))
            elif not listed.is_erased:
                unreadable.append(listed.id)
        at = cursor if mark is None else move_on(cursor, mark)
        return StoredResultPage(
            items, at, at_end=len(found) < limit + before, unreadable=unreadable
        )

    async def _last_known(
        self, function: _Which, which: list[Argument], marks: tuple[Mark, ...]
    ) -> Cursor:
        """Return the cursor at the most recent mark that the list matches."""
        for index, mark in enumerate(marks):
            if _recognises(mark, await self._read(function, which, mark.position - 1, 1)):
                return Cursor(marks[index:])
        return Cursor()

    async def _read(
        self, function: _Which, which: list[Argument], position: int, limit: int
    ) -> "list[_Listed]":
        with stale_views():
            reply = await self._library.call_async(
                self._client, function, [self._keys.arrivals], [*which, position, limit]
            )
        return [_read_listed(*reply[start : start + 4]) for start in range(0, len(reply), 4)]


class _Listed(msgspec.Struct, frozen=True):
    """An item of a list; None if erased or unreadable."""

    id: bytes
    item: _Item
    #: The tag of the current result, and those of earlier ones, by which older cursors are recognised.
    tag: bytes
    older_tags: tuple[bytes, ...] = ()
    is_erased: bool = False
    history: ResultHistory | None = None

    def is_superseded(self, function: _Which, position: int) -> bool:
        """Return whether a later position of the list shows the attempt."""
        if self.history is None:
            return False
        at = self.history.logged_at if function == "list_results" else self.history.listed_at
        return at != position


def _read_listed(
    attempt_id: bytes, attempt: bytes | None, result: bytes | None, history: bytes | None
) -> _Listed:
    try:
        read = None if result is None else read_result(result)
        if read is not None and read.kind == ERASED:
            starts = range(0, len(read.body), COMMIT_BYTES)
            commits = [read.body[start : start + COMMIT_BYTES] for start in starts]
            return _Listed(
                attempt_id,
                None,
                tag_of(attempt_id, read.commit),
                tuple(tag_of(attempt_id, commit) for commit in commits),
                is_erased=True,
            )
        if attempt is not None and read is not None:
            older = None if history is None else read_history(history)
            earlier = () if older is None else older.earlier
            return _Listed(
                attempt_id,
                (
                    read_attempt(attempt, attempt_id),
                    msgspec.structs.replace(read, replaced=len(earlier)) if earlier else read,
                ),
                tag_of(attempt_id, read.commit),
                tuple(tag_of(attempt_id, each.result.commit) for each in earlier),
                history=older,
            )
    except CorruptRecordError:
        pass
    return _Listed(attempt_id, None, tag_of(attempt_id, b""))


def _recognises(mark: Mark, found: list[_Listed]) -> bool:
    return bool(found) and (mark.tag == found[0].tag or mark.tag in found[0].older_tags)
