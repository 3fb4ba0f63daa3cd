"""A list that is followed over a server's changed history misses nothing and, where wished, repeats nothing."""

import json
from itertools import islice, takewhile
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.client import NO_RETRIES, Stanine, errors


class ListServer:
    """A list of results that may be shortened, as by a server that comes back with older data. A cursor names a place and an item."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.next_id = 0
        self.client = Stanine(
            "http://api.test",
            "k",
            retries=NO_RETRIES,
            http_client=httpx.Client(transport=httpx.MockTransport(self.answer)),
        )

    def add(self, count: int) -> None:
        self.items += range(self.next_id, self.next_id + count)
        self.next_id += count

    def lose(self, count: int) -> None:
        del self.items[max(len(self.items) - count, 0) :]

    def cursor(self, place: int) -> str:
        return ",".join(["c", *map(str, self.items[:place])])

    def answer(self, request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after", "c")
        before = [int(each) for each in after.split(",")[1:]]
        if self.items[: len(before)] != before:
            same = len(
                [
                    one
                    for one, other in takewhile(
                        lambda pair: pair[0] == pair[1], zip(self.items, before, strict=False)
                    )
                ]
            )
            known = {
                "type": "urn:stanine:problem:history-changed",
                "title": "t",
                "status": 410,
                "next": self.cursor(same),
            }
            return httpx.Response(410, json=known)
        page = self.items[len(before) : len(before) + int(request.url.params["limit"])]
        body: dict[str, Any] = {
            "items": [result(each) for each in page],
            "next": self.cursor(len(before) + len(page)),
        }
        return httpx.Response(200, content=json.dumps(body))


def result(number: int) -> dict[str, Any]:
    return {
        "attempt": f"{number:032x}",
        "instrument": "x",
        "revision": 1,
        "state": "Scored",
        "submittedAt": "now",
    }


STEPS = st.lists(st.tuples(st.sampled_from(["add", "lose", "read"]), st.integers(1, 9)))


@given(STEPS, st.integers(1, 4))
def test_over_losses_nothing_that_is_there_is_missed_and_nothing_is_given_twice(
    steps: list[tuple[str, int]], page_size: int
) -> None:
    server = ListServer()
    listing = server.client.results.list("x", on_history_change="continue", page_size=page_size)
    seen = []
    for what, count in steps:
        if what == "read":
            seen += [int(found.attempt, 16) for found in islice(listing, count)]
        else:
            (server.add if what == "add" else server.lose)(count)
    seen += [int(found.attempt, 16) for found in listing]
    seen += [int(found.attempt, 16) for found in listing]
    assert len(seen) == len(set(seen))
    assert set(server.items) <= set(seen)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 4))
def test_following_gives_everything_in_order_as_it_is_added(
    batches: list[int], page_size: int
) -> None:
    server = ListServer()
    listing = server.client.results.list("x", page_size=page_size)
    seen = []
    for count in batches:
        server.add(count)
        seen += [int(found.attempt, 16) for found in listing]
        assert listing.at_end
    assert seen == list(range(sum(batches)))


def test_a_changed_history_is_raised_with_the_cursor_to_continue_from() -> None:
    server = ListServer()
    server.add(3)
    listing = server.client.results.list("x")
    list(listing)
    server.lose(1)
    with pytest.raises(errors.HistoryChangedError) as raised:
        list(listing)
    assert raised.value.following == server.cursor(2)
    assert list(server.client.results.list("x", after=raised.value.following)) == []


def test_a_server_that_contradicts_itself_is_not_asked_for_ever() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = {
            "type": "urn:stanine:problem:history-changed",
            "title": "t",
            "next": request.url.params["after"],
        }
        return httpx.Response(410, json=body)

    client = Stanine(
        "http://api.test", "k", http_client=httpx.Client(transport=httpx.MockTransport(answer))
    )
    with pytest.raises(errors.HistoryChangedError):
        list(client.results.list("x", after="c", on_history_change="continue"))


def test_the_cursor_is_behind_what_was_given_whole() -> None:
    server = ListServer()
    server.add(5)
    listing = server.client.results.list("x", page_size=2)
    cursors = [(int(found.attempt, 16), listing.cursor) for found in listing]
    assert cursors == [(0, ""), (1, "c,0,1"), (2, "c,0,1"), (3, "c,0,1,2,3"), (4, "c,0,1,2,3,4")]
    assert [len(page) for page in server.client.results.list("x", page_size=2).pages()] == [2, 2, 1]
