"""Waits until many attempts are scored. Called by `submit --wait`.

The list of results is in the order of commits, a thousand a page, so following it is twenty times cheaper than asking for each attempt. It
needs the scope results:read; without it, and for what does not turn up in the list, each attempt is asked for by its own token.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from stanine.cli.client import Api, segment
from stanine.cli.exits import RefusedError, UnavailableError
from stanine.cli.result import read_result

#: Results of a page.
_PAGE = 1_000
#: Seconds between looks at the end of the list, and without news after which attempts are asked for one by one.
_POLL, _QUIET = 0.05, 1.0
#: Results that the list gives in the time in which one attempt is asked for (measured: 75 µs and 1.5 ms).
_LISTED_PER_ASKED = 20
#: So few attempts are asked for one by one from the start.
_FEW = 200
#: Requests for single attempts at once, and how many are looked ahead.
_ASKERS, _AHEAD = 8, 1_000


class Taken(msgspec.Struct, array_like=True, gc=False):
    """An attempt that the server has: the line it came from, its id, and the token that reads its result."""

    line: int
    attempt: str
    token: str


class Outcome(NamedTuple):
    """What came of an attempt: its state (Scored or Failed), and the reason if it failed."""

    taken: Taken
    state: str
    reason: str


class Waiter:
    """Waits for attempts at one instrument. Make it before submitting: it notes where the list of results ends now."""

    def __init__(self, api: Api, instrument: str) -> None:
        self._api = api
        self._path = f"/v1/instruments/{segment(instrument)}/results"
        try:
            self._before = self._find_end()
        except RefusedError:
            self._before = -1

    def outcomes(self, taken: list[Taken], timeout: float) -> Iterator[Outcome]:
        """Yield what came of each attempt, as it is known. Raises UnavailableError if nothing happens for `timeout` seconds."""
        left = {each.attempt: each for each in taken}
        if self._before >= 0 and len(left) > _FEW:
            if self._before <= _LISTED_PER_ASKED * len(left):  # many may have been submitted, and scored, before
                yield from self._take(self._items(0, stop=lambda: not left), left)
            else:
                yield from self._take(self._items(self._before, stop=lambda: not left), left)
        yield from self._ask(list(left.values()), timeout)

    def _items(self, cursor: int, *, stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Yield results from a cursor on, waiting for more until `stop` or nothing new has come for _QUIET seconds."""
        quiet_since = time.monotonic()
        while not stop() and time.monotonic() - quiet_since < _QUIET:
            page = msgspec.json.decode(self._api.get(self._path, {"limit": _PAGE, "after": cursor}).content)
            cursor = page["next"]
            if page["items"]:
                quiet_since = time.monotonic()
                yield from page["items"]
            else:
                time.sleep(_POLL)

    def _take(self, items: Iterator[dict[str, Any]], left: dict[str, Taken]) -> Iterator[Outcome]:
        for item in items:
            found = left.pop(item["attempt"], None)
            if found is not None:
                yield Outcome(found, item["state"], item.get("reason", ""))

    def _ask(self, left: list[Taken], timeout: float) -> Iterator[Outcome]:
        def ask(each: Taken) -> Outcome:
            found = read_result(self._api, each.attempt, timeout, token=each.token)
            if found["state"] == "Submitted":
                raise UnavailableError(
                    f"attempt {each.attempt} is not scored after {timeout:.0f} s; submitting again waits again and adds nothing"
                )
            return Outcome(each, found["state"], found.get("reason", ""))

        pool = ThreadPoolExecutor(_ASKERS, thread_name_prefix="wait")
        try:
            waiting = iter(left)
            while some := list(islice(waiting, _AHEAD)):
                yield from pool.map(ask, some)
        finally:
            pool.shutdown(cancel_futures=True)

    def _find_end(self) -> int:
        """Return a cursor at the end of the list, found by doubling and halving: the cursors of an instrument count its results."""
        low, high = 0, 1
        while self._has_after(high):
            low, high = high, high * 2
        while low < high:
            middle = (low + high) // 2
            if self._has_after(middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _has_after(self, cursor: int) -> bool:
        return bool(msgspec.json.decode(self._api.get(self._path, {"limit": 1, "after": cursor}).content)["items"])
