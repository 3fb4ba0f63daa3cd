"""Reading results from a server whose list changes: it is replaced by older data, and cursors are no longer recognised."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from stanine.cli.client import Api, HistoryChangedError
from stanine.cli.exits import NotFoundError
from stanine.cli.result_list import ResultList
from stanine.cli.waiting import Taken, Waiter

#: Results of a page of this server, whatever was asked for.
PAGE = 3


class Listing:
    """The list of results that a server has, of attempts by their numbers. Cursors are opaque: `<generation>.<position>`."""

    def __init__(self, attempts: list[int]) -> None:
        self.generation = 0
        self.attempts = attempts
        #: How far back a cursor of an earlier generation leads.
        self.common = 0
        self.contradicts = False
        #: Whether keys may read it, and how often it was read, and single results.
        self.refused = False
        self.pages = 0
        self.asked: list[str] = []

    def replace(self, attempts: list[int]) -> None:
        """Come back with other data; the results that both have at the beginning are the same."""
        self.common = next(
            (
                i
                for i, (old, new) in enumerate(zip(self.attempts, attempts, strict=False))
                if old != new
            ),
            len(attempts),
        )
        self.generation += 1
        self.attempts = attempts

    def page(self, after: str) -> tuple[int, dict[str, Any]]:
        self.pages += 1
        if self.refused:
            return 403, {"detail": "the key lacks the scope results:read"}
        generation, _, place = (after or f"{self.generation}.0").partition(".")
        start = int(place)
        if self.contradicts or (int(generation) != self.generation and start > self.common):
            return 410, {
                "detail": "changed",
                "next": after if self.contradicts else f"{self.generation}.{self.common}",
            }
        items = self.attempts[start : start + PAGE]
        known = {"items": [{"attempt": name(number), "state": "Scored"} for number in items]}
        return 200, known | {"next": f"{self.generation}.{start + len(items)}"}

    def one(self, attempt: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(attempt)
        if int(attempt, 16) not in self.attempts:
            return 404, {"detail": "Instrument 'x' was not found, or is not visible to this key."}
        return 200, {"attempt": attempt, "state": "Scored"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listing: Listing

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/v1/attempts/"):
            status, body = self.listing.one(parts.path.split("/")[3])
        else:
            status, body = self.listing.page(parse_qs(parts.query).get("after", [""])[0])
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def name(number: int) -> str:
    return f"{number:032x}"


def numbers(items: list[dict[str, Any]]) -> list[int]:
    return [int(item["attempt"], 16) for item in items]


@contextmanager
def served(listing: Listing) -> Iterator[Api]:
    handler = type("Handling", (Handler,), {"listing": listing})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        api = Api(f"http://127.0.0.1:{server.server_address[1]}", "key", patience=5)
        try:
            yield api
        finally:
            api.close()
            server.shutdown()
            thread.join()


def read_all(listed: ResultList) -> list[int]:
    found = numbers(listed.read())
    while not listed.at_end:
        found += numbers(listed.read())
    return found


def test_a_list_is_read_to_its_end_and_continued_there() -> None:
    listing = Listing(list(range(8)))
    with served(listing) as api:
        listed = ResultList(api, "x")
        assert read_all(listed) == list(range(8))
        listing.attempts = list(range(10))
        assert read_all(listed) == [8, 9]
        assert read_all(ResultList(api, "x", "0.5")) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("common", [0, 1, 4, 6])
def test_after_a_changed_history_nothing_is_left_out_and_nothing_comes_twice(
    common: int, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = Listing(list(range(9)))
    with served(listing) as api:
        listed = ResultList(api, "x")
        before = numbers(listed.read()) + numbers(listed.read())
        # some are committed again in another order, 6, 7 and 8 are lost, 20 to 24 are new
        listing.replace([*range(common), *range(5, common - 1, -1), 20, 21, 22, 23, 24])
        after = read_all(listed)
    assert before == list(range(6))
    assert after == [20, 21, 22, 23, 24]
    assert ("other data" in capsys.readouterr().err) == (common < 6)


def test_a_history_that_changes_again_and_again_is_followed() -> None:
    listing, found = Listing([0]), []
    with served(listing) as api:
        listed = ResultList(api, "x")
        for turn in range(1, 6):
            found += read_all(listed)
            listing.replace(
                [turn, *listing.attempts] if turn % 2 else [*listing.attempts[:-1], turn]
            )
        found += read_all(listed)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]


def test_a_server_that_contradicts_itself_ends_it() -> None:
    listing = Listing([1, 2])
    listing.contradicts = True
    with served(listing) as api, pytest.raises(HistoryChangedError, match="changed"):
        ResultList(api, "x", "0.1").read()


def taken(some: range) -> list[Taken]:
    return [Taken(number, name(number), "token") for number in some]


def test_many_attempts_are_waited_for_by_the_list() -> None:
    listing = Listing([9_999, *range(300)])
    with served(listing) as api:
        found = [each.taken.attempt for each in Waiter(api, "x").outcomes(taken(range(300)), 5)]
    assert found == [name(number) for number in range(300)]
    assert listing.asked == []


def test_attempts_are_asked_for_one_by_one_where_the_list_is_long_or_refused() -> None:
    for listing in (Listing([*range(1_000, 6_000), *range(210)]), Listing(list(range(210)))):
        listing.refused = len(listing.attempts) == 210
        with served(listing) as api:
            found = [each.taken.attempt for each in Waiter(api, "x").outcomes(taken(range(210)), 5)]
        assert sorted(found) == sorted(listing.asked) == [name(number) for number in range(210)]
        assert (
            listing.pages == 1
            if listing.refused
            else 210 * 20 / PAGE <= listing.pages < 210 * 20 / PAGE + 2
        )


def test_the_wait_goes_on_over_a_changed_history() -> None:
    listing = Listing(list(range(250)))
    with served(listing) as api:
        outcomes = Waiter(api, "x").outcomes(taken(range(300)), 5)
        found = {next(outcomes).taken.attempt for _ in range(200)}
        listing.replace([*range(100), *range(299, 99, -1)])
        found |= {each.taken.attempt for each in outcomes}
    assert found == {name(number) for number in range(300)}


def test_an_attempt_that_the_server_lost_ends_the_wait_with_a_remedy() -> None:
    with (
        served(Listing([1, 2])) as api,
        pytest.raises(
            NotFoundError, match=f"attempt {name(3)} is no longer there: .* submit the file again"
        ),
    ):
        list(Waiter(api, "x").outcomes(taken(range(1, 4)), 5))
