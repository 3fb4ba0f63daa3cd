"""Finding one attempt for whoever asks, and waiting for its result. Used by the routes of attempts and results.

The one place that decides who may see an attempt: a key that reaches its instrument, or the attempt's own token.
"""

import asyncio

import msgspec

from stanine.api.deadlines import STORE_SECONDS, within
from stanine.api.http import Request
from stanine.api.problems import NOT_INDEXED, Problem, not_found
from stanine.api.tokens import Tokens
from stanine.domain.index import IndexEntry
from stanine.store.attempts import Attempts
from stanine.store.index import EntryCache
from stanine.store.records import StoredAttempt, StoredResult, read_id
from stanine.store.waiting import ResultWaiter


class Found(msgspec.Struct, frozen=True):
    """An attempt that the caller may see, the index entry it belongs to, and its result if it has one."""

    entry: IndexEntry
    attempt: StoredAttempt
    result: StoredResult | None


class AttemptReader:
    """Finds attempts and waits for results."""

    def __init__(self, attempts: Attempts, entries: EntryCache, waiter: ResultWaiter, tokens: Tokens) -> None:
        self._attempts = attempts
        self._entries = entries
        self._waiter = waiter
        self._tokens = tokens
        self._waits: set[asyncio.Future[StoredResult | None]] = set()
        self._draining = False

    async def find(self, request: Request) -> Found:
        """Return the attempt that a path names; raises the problem not-found for an unknown and for a forbidden one alike."""
        attempt_id = read_id(request.parameters["id"])
        if attempt_id is None:
            raise not_found()
        if request.caller is None and not self._tokens.is_of(attempt_id, request.bearer):
            raise not_found()
        found = await within(self._attempts.read_with_result(attempt_id))
        if found is None:
            raise not_found()
        attempt, result = found
        entry = self.entry_of(attempt)
        if request.caller is not None and not request.caller.sees(entry.name):
            raise not_found()
        return Found(entry, attempt, result)

    def entry_of(self, attempt: StoredAttempt) -> IndexEntry:
        """Return the index entry that an attempt belongs to; raises the problem not-indexed while it is being built anew."""
        entry = self._entries.numbered(attempt.number, attempt.revision)
        if entry is None:
            raise Problem(NOT_INDEXED, "The indexWatcher is building the entry of its instrument.")
        return entry

    async def wait(self, attempt_id: bytes, seconds: float) -> StoredResult | None:
        """Wait for a result at most so long; None if there is none by then, or this process is stopping."""
        if seconds <= 0 or self._draining:
            return None
        wait = asyncio.ensure_future(self._waiter.wait(attempt_id, seconds))
        self._waits.add(wait)
        try:
            return await within(wait, seconds + STORE_SECONDS)
        except asyncio.CancelledError:
            if self._draining and wait.cancelled():
                return None
            raise
        finally:
            self._waits.discard(wait)

    def drain(self) -> None:
        """End all waits now: their callers are told that the result is pending."""
        self._draining = True
        for wait in self._waits:
            wait.cancel()
