"""Waits until many attempts are scored. Called by `submit --wait`.

The list of results is in the order of commits, a thousand a page, so following it is twenty times cheaper than asking for each attempt. It
needs the scope results:read; without it, and for what does not turn up in the list, each attempt is asked for by its own token.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import msgspec

from stanine.cli.client import Api
from stanine.cli.commands.result import read_result
from stanine.cli.exits import NotFoundError, RefusedError, UnavailableError
from stanine.cli.result_list import ResultList

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
    """Waits for attempts at one instrument."""

    def __init__(self, api: Api, instrument: str) -> None:
        self._api = api
        self._list = ResultList(api, instrument)

    def outcomes(self, taken: list[Taken], timeout: float) -> Iterator[Outcome]:
        """Yield what came of each attempt, as it is known. Raises UnavailableError if nothing happens for `timeout` seconds."""
        left = {each.attempt: each for each in taken}
        if len(left) > _FEW:
            with suppress(RefusedError):
                yield from self._follow(left)
        yield from self._ask(list(left.values()), timeout)

    def _follow(self, left: dict[str, Taken]) -> Iterator[Outcome]:
        """Yield what the list says, and take it out of `left`.

        The list is read from its beginning, since only a result that was read has a cursor. Ends when nothing is left, when nothing new
        has come for _QUIET seconds, or when reading past results of other attempts has taken as long as asking for each would.
        """
        passed, quiet_since = 0, time.monotonic()
        while (
            left
            and passed <= _LISTED_PER_ASKED * len(left)
            and time.monotonic() - quiet_since < _QUIET
        ):
            items = self._list.read()
            for item in items:
                found = left.pop(item["attempt"], None)
                passed = passed + 1 if found is None else 0
                if found is not None:
                    yield Outcome(found, item["state"], item.get("reason", ""))
            if items:
                quiet_since = time.monotonic()
            else:
                time.sleep(_POLL)

    def _ask(self, left: list[Taken], timeout: float) -> Iterator[Outcome]:
        def ask(each: Taken) -> Outcome:
            try:
                found = read_result(self._api, each.attempt, timeout, token=each.token)
            except NotFoundError:
                raise NotFoundError(
                    f"attempt {each.attempt} is no longer there: the server came back with other data; submit the file again"
                ) from None
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
