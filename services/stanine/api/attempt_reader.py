"""Finds attempts for callers, waits for results, and reads lists of results.

Used by the routes of attempts and results. This is the only module that decides who may see an attempt: an API key
that reaches its instrument, the attempt's token, or, after the release, the token of a participant whose invitation
shows the result then. Attempts and the view of the index that explains them always belong to the same data.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.loops import IndexFollower
from stanine.api.web.auth import Caller
from stanine.api.web.deadlines import STORE_SECONDS, within
from stanine.api.web.http import Request
from stanine.api.web.problems import NOT_INDEXED, NotFound, Problem
from stanine.domain.scoring.index import IndexEntry
from stanine.store.attempt_lists import (
    ATTEMPTS_PER_CALL,
    AttemptFilter,
    AttemptLists,
    AttemptPage,
    cursor_after,
)
from stanine.store.cursors import UNKNOWN, Cursor, Mark, SealedCursor, move_on, read_cursor
from stanine.store.errors import LostCursorError
from stanine.store.index import IndexView
from stanine.store.lists import ResultLists, StoredResultPage
from stanine.store.reading import AttemptRecords
from stanine.store.records import StoredAttempt, read_id
from stanine.store.result_history import ReplacedResult
from stanine.store.result_layout import StoredResult
from stanine.store.waiting import ResultWaiter
from stanine.telemetry.logs import get_log


class Found(msgspec.Struct, frozen=True):
    """An attempt, its index entry with the view that contains it, and its result if scored."""

    view: IndexView
    entry: IndexEntry
    attempt: StoredAttempt
    result: StoredResult | None


class Listed(msgspec.Struct, frozen=True):
    """A page of results, and the cursor to continue from, as text."""

    items: list[Found]
    next: str


class FoundAttempts(msgspec.Struct, frozen=True):
    """A page of an instrument's attempts, the place to continue from, and all forms of the instrument."""

    items: list[Found]
    next: Cursor
    at_end: bool
    forms: list[IndexEntry]


class _Page(msgspec.Struct, frozen=True):
    """A page of a list with index entries."""

    items: list[tuple[Found, Mark]]
    next: Cursor
    at_end: bool


log = get_log()

T = TypeVar("T")

#: Minimum items per read for a key that reaches only some instruments: items of others are skipped.
_SCAN = 100

_Pair = tuple[StoredAttempt, StoredResult | None] | None


class AttemptReader:
    """Finds attempts, waits for results, reads lists."""

    def __init__(
        self,
        attempts: AttemptRecords,
        lists: ResultLists,
        attempt_lists: AttemptLists,
        index: IndexFollower,
        waiter: ResultWaiter,
        tokens: Tokens,
        is_released: Callable[[int], Awaitable[bool]],
    ) -> None:
        """`is_released` returns whether the results of the instrument of a number are released."""
        self._is_released = is_released
        self._attempts = attempts
        self._lists = lists
        self._attempt_lists = attempt_lists
        self._index = index
        self._waiter = waiter
        self._tokens = tokens
        self._waits: set[asyncio.Future[_Pair]] = set()
        self._draining = False

    async def find(self, request: Request, seconds: float = 0) -> Found:
        """Return the attempt of a path; wait at most `seconds` for its result.

        Raises the problem not-found for unknown and for forbidden attempts.
        """
        given = request.parameters["id"]
        attempt_id = read_id(given)
        if attempt_id is None:
            raise NotFound("Attempt", given)
        after_release = False
        if request.caller is None and not self._tokens.is_of(attempt_id, request.bearer):
            after_release = self._tokens.is_after_release(attempt_id, request.bearer)
            if not after_release:
                raise NotFound("Attempt", given)
        found = await self.read(attempt_id)
        if found is None or (
            request.caller is not None and not request.caller.sees(found.entry.name)
        ):
            raise NotFound("Attempt", given)
        if after_release and not await within(self._is_released(found.attempt.number)):
            raise NotFound("Attempt", given)
        if found.result is None and seconds > 0:
            found = await self.read(attempt_id, seconds)
        if found is None:
            raise NotFound("Attempt", given)
        return found

    async def read(self, attempt_id: bytes, seconds: float = 0) -> Found | None:
        """Return an attempt; wait at most `seconds` for its result.

        Returns None if the attempt does not exist. Raises the problem not-indexed while the entry of its instrument
        is being built.
        """
        deadline = asyncio.get_running_loop().time() + seconds

        async def look(view: IndexView) -> _Pair:
            return await self._wait(attempt_id, deadline - asyncio.get_running_loop().time(), view)

        view, found = await self._consistent(look, lambda pair: [] if pair is None else [pair])
        return None if found is None else Found(view, _entry_of(view, found[0]), *found)

    async def history(self, request: Request) -> tuple[Found, tuple[ReplacedResult, ...]]:
        """Return the attempt of a path and its earlier results, oldest first. Raises as `find`."""
        found = await self.find(request)
        view, read = await self._index.consistent(
            lambda view: within(self._attempts.read_all(found.attempt.id, view.view))
        )
        if read is None:
            raise NotFound("Attempt", request.parameters["id"])
        attempt, result, earlier = read
        return Found(view, _entry_of(view, attempt), attempt, result), earlier

    async def attempts(
        self, name: str, after: Cursor | bytes, limit: int | None, wanted: AttemptFilter
    ) -> FoundAttempts:
        """Read a page of an instrument's attempts after a cursor or an attempt's id.

        Raises LostCursorError for a place that the list does not recognise.
        """
        most = ATTEMPTS_PER_CALL if limit is None else limit

        async def look(view: IndexView) -> AttemptPage:
            entry = view.newest(name)
            if entry is None:
                raise _not_indexed()
            number = entry.number
            cursor = cursor_after(after, number) if isinstance(after, bytes) else after
            return await within(self._attempt_lists.page(number, cursor, most, wanted, view.view))

        view, page = await self._consistent(look, lambda page: page.items)
        _note_unreadable(page.unreadable)
        items = [
            Found(view, _entry_of(view, attempt), attempt, result) for attempt, result in page.items
        ]
        return FoundAttempts(items, page.next, page.at_end, [*view.forms.get(name, {}).values()])

    async def of_instrument(self, name: str, after: Cursor | SealedCursor, limit: int) -> Listed:
        """Read a page of an instrument's results.

        Raises LostCursorError for a cursor that the list does not recognise.
        """
        cursor = UNKNOWN if isinstance(after, SealedCursor) else after

        async def look(view: IndexView) -> StoredResultPage:
            entry = view.newest(name)
            if entry is None:
                raise _not_indexed()
            return await within(self._lists.of_instrument(entry.number, cursor, limit, view.view))

        page = await self._page(look)
        return Listed([found for found, _ in page.items], page.next.encode())

    async def of_participant(
        self, participant: str, after: Cursor | SealedCursor, limit: int, caller: Caller
    ) -> Listed:
        """Read a page of a participant's results of the instruments that the key reaches.

        A key that does not reach all instruments gets a sealed cursor after the last item that it was shown:
        positions in the list and skipped items would reveal the number of results that it does not reach. Raises
        LostCursorError.
        """
        secrets = self._tokens.secrets
        cursor = after.open(secrets) if isinstance(after, SealedCursor) else after
        if caller.sees_all:
            page = await self._page_of_participant(participant, cursor, limit)
            return Listed([found for found, _ in page.items], page.next.encode())
        shown: list[tuple[Found, Mark]] = []
        at_end, at = False, cursor
        while len(shown) < limit and not at_end:
            try:
                page = await self._page_of_participant(participant, at, max(limit, _SCAN))
            except LostCursorError as error:
                known = (
                    read_cursor(error.following) if at is cursor else cursor
                )  # changed between two reads: the caller restarts
                assert isinstance(known, Cursor)
                raise LostCursorError(known.seal(secrets[0])) from None
            shown += [(found, mark) for found, mark in page.items if caller.sees(found.entry.name)]
            at_end, at = page.at_end, page.next
        shown = shown[:limit]
        following = move_on(cursor, shown[-1][1]) if shown else cursor
        return Listed([found for found, _ in shown], following.seal(secrets[0]))

    async def _page_of_participant(self, participant: str, cursor: Cursor, limit: int) -> _Page:
        async def look(view: IndexView) -> StoredResultPage:
            return await within(self._lists.of_participant(participant, cursor, limit, view.view))

        return await self._page(look)

    def drain(self) -> None:
        """End all waits now: the answers say that the result is pending."""
        self._draining = True
        for wait in self._waits:
            wait.cancel()

    async def _page(self, look: Callable[[IndexView], Awaitable[StoredResultPage]]) -> _Page:
        view, page = await self._consistent(
            look, lambda page: [(attempt, result) for attempt, result, _ in page.items]
        )
        _note_unreadable(page.unreadable)
        items = [
            (Found(view, _entry_of(view, attempt), attempt, result), mark)
            for attempt, result, mark in page.items
        ]
        return _Page(items, page.next, page.at_end)

    async def _consistent(
        self,
        look: Callable[[IndexView], Awaitable[T]],
        pairs: Callable[[T], Sequence[tuple[StoredAttempt, StoredResult | None]]],
    ) -> tuple[IndexView, T]:
        """Read with a view of the same data that has the scoring revisions of all results found."""
        view, found = await self._index.consistent(look)
        if any(_is_newer(view, attempt, result) for attempt, result in pairs(found)):
            await self._index.refresh()
            view, found = await self._index.consistent(look)
        return view, found

    async def _wait(self, attempt_id: bytes, seconds: float, view: IndexView) -> _Pair:
        if seconds > 0 and not self._draining:
            wait = asyncio.ensure_future(self._waiter.wait(attempt_id, seconds, view.view))
            self._waits.add(wait)
            try:
                return await within(wait, seconds + STORE_SECONDS)
            except asyncio.CancelledError:
                if not (self._draining and wait.cancelled()):
                    raise
            finally:
                self._waits.discard(wait)
        return await within(self._attempts.read(attempt_id, view.view))


def _note_unreadable(attempts: Sequence[bytes]) -> None:
    for attempt_id in attempts:
        log.warning("results.unreadable", attempt=attempt_id.hex())


def _is_newer(view: IndexView, attempt: StoredAttempt, result: StoredResult | None) -> bool:
    """Return whether an attempt or result is newer than the view of the index."""
    entry = view.numbered(attempt.number, attempt.revision)
    return entry is None or (result is not None and result.scoring_revision > entry.revision)


def _entry_of(view: IndexView, attempt: StoredAttempt) -> IndexEntry:
    entry = view.numbered(attempt.number, attempt.revision)
    if entry is None:
        raise _not_indexed()
    return entry


def _not_indexed() -> Problem:
    return Problem(NOT_INDEXED, "The indexWatcher is building the entry of its instrument.")
