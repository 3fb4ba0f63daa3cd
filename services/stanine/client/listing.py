"""Read a list page by page and skip repeated items. No network I/O; `Listing` and `AsyncListing` run it."""

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, Literal, TypeVar

from stanine.client.errors import HistoryChangedError
from stanine.client.flow import Flow, RequestContext, exchange, log
from stanine.client.messages import ApiCall
from stanine.client.records import AttemptResult, Page
from stanine.client.seen_ids import SeenIds

Item = TypeVar("Item")

#: Behaviour after a changed history: raise HistoryChangedError, or continue from the cursor that it names.
OnHistoryChange = Literal["raise", "continue"]

#: Bytes of the digest that identifies one of several results of an attempt.
_DIGEST_BYTES = 16


def result_id(result: AttemptResult) -> str:
    """Identify a result, for `ListReader`: its attempt, and which of a re-scored attempt's results it is."""
    if not result.replaced:
        return result.attempt
    return blake2b(
        f"{result.attempt} {result.replaced}".encode(), digest_size=_DIGEST_BYTES
    ).hexdigest()


class ListReader(Generic[Item]):
    """Reads a list page by page from a cursor; an empty cursor is the beginning."""

    def __init__(
        self,
        context: RequestContext,
        page_after: Callable[[str], ApiCall[Page[Item]]],
        after: str,
        on_history_change: OnHistoryChange = "raise",
        id_of: Callable[[Item], str] | None = None,
    ) -> None:
        """Initialise.

        `id_of` returns an item's id, up to 32 hexadecimal digits, to skip items already read after a changed history.
        """
        if on_history_change not in {"raise", "continue"}:
            raise ValueError('on_history_change is "raise" or "continue"')
        self._context, self._page_after, self._on_change, self._id_of = (
            context,
            page_after,
            on_history_change,
            id_of,
        )
        self._next = self._cursor = after
        #: Items that were read and not yet returned.
        self.pending: deque[Item] = deque()
        #: Whether the last page was the end of the list.
        self.at_end = False
        #: How often the server had other data, and reading continued from the cursor that it named.
        self.history_changes = 0
        #: Items returned so far, if they may be returned again.
        self._seen = SeenIds() if id_of is not None and on_history_change == "continue" else None

    @property
    def cursor(self) -> str:
        """Cursor after the last page that was returned completely."""
        return self._cursor if self.pending else self._next

    def read(self) -> Flow[None]:
        """Read the next page into `pending`.

        Raises HistoryChangedError if requested, or if the server's answers are inconsistent.
        """
        self._cursor = self._next
        page = yield from self._read_page()
        self.at_end = page.next is None or page.next == self._next
        self.pending.extend(item for item in page.items if self._is_new(item))
        if page.next is not None:
            self._next = page.next

    def _read_page(self) -> Flow[Page[Item]]:
        while True:
            try:
                return (yield from exchange(self._context, self._page_after(self._next)))
            except HistoryChangedError as error:
                if (
                    self._on_change == "raise"
                    or not error.following
                    or error.following == self._next
                ):
                    raise
                log.warning(
                    "the server came back with other data: reading on from the cursor that it names"
                )
                self.history_changes += 1
                self._next = self._cursor = error.following

    def _is_new(self, item: Item) -> bool:
        if self._seen is None or self._id_of is None:
            return True
        name = self._id_of(item)
        if self.history_changes and name in self._seen:
            return False
        self._seen.add(name)
        return True
