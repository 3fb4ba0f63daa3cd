"""Base of the asynchronous resources, and the list that they return. Used by the other modules of this package."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, Protocol, TypeVar

from stanine.client.flow import Flow, RequestContext
from stanine.client.listing import ListReader
from stanine.client.messages import ApiCall

Item = TypeVar("Item")
T = TypeVar("T")


class AsyncRunner(Protocol):
    """The part of `AsyncStanine` that the resources use; it describes the methods."""

    context: RequestContext

    async def call(self, call: ApiCall[T]) -> T: ...  # noqa: D102 - see async_client

    async def run(self, flow: Flow[T]) -> T: ...  # noqa: D102 - likewise

    def run_in_order(  # noqa: D102 - likewise
        self, flows: AsyncIterator[Flow[T]], at_once: int
    ) -> AsyncGenerator[T, None]: ...


class AsyncResource:
    """The methods of a client for one kind of record."""

    def __init__(self, client: AsyncRunner) -> None:
        self._client = client


class AsyncListing(Generic[Item]):
    """A list read during iteration. Iterating again after its end yields items added since."""

    def __init__(self, client: AsyncRunner, reader: ListReader[Item]) -> None:
        self._client, self._reader = client, reader

    @property
    def cursor(self) -> str:
        """Cursor to continue from later: after the last page that was yielded completely.

        Items of an incomplete page are yielded again.
        """
        return self._reader.cursor

    @property
    def at_end(self) -> bool:
        """Whether the last page was the end of the list."""
        return self._reader.at_end

    @property
    def history_changes(self) -> int:
        """How often reading continued after a changed history: what the server lost is not among the items."""
        return self._reader.history_changes

    async def read(self) -> list[Item]:
        """Return the rest of the page, or the next page; it may be empty."""
        if not self._reader.pending:
            await self._client.run(self._reader.read())
        page = list(self._reader.pending)
        self._reader.pending.clear()
        return page

    async def pages(self) -> AsyncIterator[list[Item]]:
        """Yield the pages that have items, to the end."""
        while True:
            if page := await self.read():
                yield page
            if self._reader.at_end:
                return

    async def __aiter__(self) -> AsyncIterator[Item]:
        pending = self._reader.pending
        while True:
            if not pending:
                await self._client.run(self._reader.read())
            while pending:
                yield pending.popleft()
            if self._reader.at_end:
                return
