"""A list of the client that is exported to its end. Used by `answers` and `results`."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from stanine.cli.io.terminal import Bar, note
from stanine.client import Listing

T_co = TypeVar("T_co", covariant=True)


class CountedListing(Generic[T_co]):
    """Iterates over items, counts them, and notes when the server's data were replaced."""

    def __init__(self, listed: Listing[T_co], bar: Bar, kind: str) -> None:
        """`kind`: what the items are, for the note; `bar` advances by a page."""
        self._listed, self._bar, self._kind = listed, bar, kind
        self.count = 0

    @property
    def cursor(self) -> str:
        """The cursor to continue from."""
        return self._listed.cursor

    def __iter__(self) -> Iterator[T_co]:
        changes = 0
        while not self._listed.at_end:
            page = self._listed.read()
            if self._listed.history_changes > changes:
                changes = self._listed.history_changes
                note(
                    f"the server's data were replaced; continuing from the last common {self._kind}"
                )
            for each in page:
                self.count += 1
                yield each
            self._bar.advance(len(page))
