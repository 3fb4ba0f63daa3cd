"""Reads an instrument's results in the order of their commits, page by page, each attempt once. Called by `results`, `waiting`, `demo`.

A server that comes back with older data may not recognise a cursor: it answers 410 with a cursor further back. Reading continues there, so
results come again; those of attempts that were read already are dropped.
"""

from typing import Any

import msgspec

from stanine.cli.client import Api, HistoryChangedError, segment
from stanine.cli.io.terminal import note

#: Results of a page: the most that the API gives.
_PAGE = 1_000
#: Bytes of an attempt id. A list may have millions of results, so their ids are kept packed until they are needed.
_ID_BYTES = 16


class ResultList:
    """The results of one instrument from a cursor on ('': from the beginning)."""

    def __init__(self, api: Api, instrument: str, after: str = "") -> None:
        self._api = api
        self._path = f"/v1/instruments/{segment(instrument)}/results"
        #: Where to continue: behind what was read.
        self.cursor = after
        #: Whether the list had no more results at the last look.
        self.at_end = False
        self._ids = bytearray()
        self._known: set[bytes] | None = None

    @property
    def count(self) -> int:
        """How many results were read."""
        return len(self._ids) // _ID_BYTES

    def read(self) -> list[dict[str, Any]]:
        """Return the next results, if there are any; raises what `Api.request` raises."""
        page = self._read_page()
        self.at_end = page["next"] == self.cursor
        self.cursor = page["next"]
        return [item for item in page["items"] if self._is_new(bytes.fromhex(item["attempt"]))]

    def _read_page(self) -> dict[str, Any]:
        while True:
            try:
                after: dict[str, str | int] = {"after": self.cursor} if self.cursor else {}
                page: dict[str, Any] = msgspec.json.decode(
                    self._api.get(self._path, {"limit": _PAGE} | after).content
                )
                return page
            except HistoryChangedError as error:
                if error.following == self.cursor:  # a server that contradicts itself
                    raise
                note(
                    "the server came back with other data; continuing from the last result that it still has in its place"
                )
                self.cursor = error.following
                self._known = {
                    bytes(self._ids[start : start + _ID_BYTES])
                    for start in range(0, len(self._ids), _ID_BYTES)
                }

    def _is_new(self, attempt: bytes) -> bool:
        if self._known is not None:
            if attempt in self._known:
                return False
            self._known.add(attempt)
        self._ids += attempt
        return True
