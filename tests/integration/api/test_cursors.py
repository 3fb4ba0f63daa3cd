"""Cursors of result lists over HTTP: a changed history is answered with a new cursor."""

from typing import Any

import pytest
from tests.integration.api.serving import Serving, backup, document, problem

ANSWERS = {"i1": 1, "i2": 2, "i3": 5}
LISTS = ("/v1/instruments/a-mood/results", "/v1/participants/p-1/results")


def scored(api: Serving, count: int, name: str = "a-mood") -> list[str]:
    """Submit and score attempts one by one; return their ids."""
    receipts = [api.submit(name, answers=ANSWERS, participant="p-1") for _ in range(count)]
    for receipt in receipts:
        api.score(receipt)
    return [receipt["attempt"] for receipt in receipts]


def page(api: Serving, address: str, after: Any, limit: int = 1000) -> dict[str, Any]:
    answer = api.http().get(address, params={"after": after, "limit": limit})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [item["attempt"] for item in body["items"]]


@pytest.mark.parametrize("address", LISTS)
def test_a_poller_detects_a_changed_history_and_misses_nothing(mood: Serving, address: str) -> None:
    kept = scored(mood, 5)
    put_back = backup(mood)
    scored(mood, 4)
    after: Any = 0
    for _ in range(3):
        after = page(mood, address, after, 3)["next"]
    put_back()
    refused = mood.http().get(address, params={"after": after})
    body = problem(refused, "history-changed")
    assert refused.status_code == 410
    later = scored(mood, 6)
    again = page(mood, address, body["next"])
    assert ids(again) == (kept + later)[-len(again["items"]) :]
    assert set(ids(again)) >= set(later)
    assert (
        problem(mood.http().get(address, params={"after": after}), "history-changed")["next"]
        == body["next"]
    )
    assert ids(page(mood, address, 0)) == kept + later


@pytest.mark.parametrize("address", LISTS)
def test_an_integer_cursor_of_an_earlier_version_restarts_the_list_once(
    mood: Serving, address: str
) -> None:
    kept = scored(mood, 3)
    for number in (1, 3, 9, 10**15):
        following = problem(mood.http().get(address, params={"after": number}), "history-changed")[
            "next"
        ]
        assert ids(page(mood, address, following)) == kept
    assert ids(page(mood, address, 0)) == ids(page(mood, address, "0")) == kept


def test_a_cursor_of_another_list_is_rejected(mood: Serving) -> None:
    mood.publish(document("a-other"))
    scored(mood, 2)
    scored(mood, 2, "a-other")
    cursor = page(mood, LISTS[0], 0)["next"]
    problem(
        mood.http().get("/v1/instruments/a-other/results", params={"after": cursor}),
        "history-changed",
    )


def test_a_cursor_stays_valid_while_the_list_grows(mood: Serving) -> None:
    first = scored(mood, 3)
    for address in LISTS:
        cursor = page(mood, address, 0, 2)["next"]
        assert ids(page(mood, address, cursor))[0] == first[2]
    second = scored(mood, 3)
    for address in LISTS:
        body = page(mood, address, cursor)
        assert ids(body) == [first[2], *second]
        assert page(mood, address, body["next"]) == {"items": [], "next": body["next"]}
