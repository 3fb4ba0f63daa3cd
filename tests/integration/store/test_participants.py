"""Lists of participants' attempts (from submission) and results (from commit), on a real server."""

from typing import Any

import pytest
from tests.integration.store.attempting import COMMIT, commit, submission, submit
from tests.integration.stores import Store

from stanine.store.cursors import Cursor, Mark, tag_of
from stanine.store.keys import BLOCK_SIZE, PAGE_SIZE
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES


def listed(store: Store, first: int, which: str) -> list[int]:
    """Return the arrival numbers of a participant's attempts (a) or results (r)."""
    partition = store.keys.partition
    value: bytes = store.client.hget(
        f"{partition}:l:{first // BLOCK_SIZE}", str(first % BLOCK_SIZE)
    )
    attempts_end = 9 + value[8] * ARRIVAL_BYTES
    pages, tail = (
        (value[:4], value[9:attempts_end]) if which == "a" else (value[4:8], value[attempts_end:])
    )
    full = [
        store.client.get(f"{partition}:l:{first}:{which}:{page}")
        for page in range(int.from_bytes(pages, "big"))
    ]
    assert {len(page) for page in full} <= {PAGE_SIZE * ARRIVAL_BYTES}
    packed = b"".join(full) + tail
    return [
        int.from_bytes(packed[start : start + ARRIVAL_BYTES], "big")
        for start in range(0, len(packed), ARRIVAL_BYTES)
    ]


def arrivals(ids: list[bytes]) -> list[int]:
    return [int.from_bytes(each[RANDOM_BYTES:], "big") for each in ids]


@pytest.mark.parametrize("at_once", [1, 50, 500])
def test_attempts_are_listed_at_submission_and_results_by_commit_over_page_ends(
    store: Store, at_once: int
) -> None:
    count = 2 * PAGE_SIZE + 10
    ids = submit(store, submission())
    for start in range(0, count, at_once):
        ids += submit(
            store,
            *[
                submission(participant="pq"[n % 2])
                for n in range(start, min(start + at_once, count))
            ],
        )
    of = {"p": ids[1::2], "q": ids[2::2]}
    assert listed(store, 1, "a") == arrivals(of["p"])
    assert listed(store, 2, "a") == arrivals(of["q"])
    assert listed(store, 1, "r") == listed(store, 2, "r") == []
    assert store.results_of_participant("p").items == []
    for start in range(count, 0, -at_once):
        part = ids[max(1, start - at_once + 1) : start + 1]
        commit(
            store,
            part,
            participants={index: "pq"[ids.index(each) % 2 - 1] for index, each in enumerate(part)},
        )
    for participant, first in (("p", 1), ("q", 2)):
        assert sorted(listed(store, first, "r")) == arrivals(of[participant])
        assert listed(store, first, "a") == arrivals(of[participant])
        page = store.results_of_participant(participant)
        assert arrivals([attempt.id for attempt, _, _ in page.items]) == listed(store, first, "r")
    assert arrivals(
        [attempt.id for attempt, _, _ in store.results_of().items if attempt.participant == "p"]
    ) == listed(store, 1, "r")


@pytest.mark.parametrize("limit", [1, 100, 1000])
def test_a_participants_results_are_listed_over_pages_and_instruments(
    store: Store, limit: int
) -> None:
    count = 2 * PAGE_SIZE + 10
    ids = []
    for start in range(0, count, 50):
        part = [
            submission(participant="p", number=1 + start % 3) for _ in range(min(50, count - start))
        ]
        ids += submit(store, *part)
    for index, attempt_id in enumerate(ids):
        commit(store, [attempt_id], participants={0: "p"}, number=1 + index % 3)
    start = 0 if limit > 1 else count - 3
    cursor = Cursor((Mark(start, tag_of(ids[start - 1], COMMIT)),)) if start else Cursor()
    seen, at_end = ids[:start], False
    while not at_end:
        page = store.results_of_participant("p", cursor, limit)
        seen += [attempt.id for attempt, _, _ in page.items]
        assert len(page.items) <= limit
        cursor, at_end = page.next, page.at_end
    assert seen == ids


def test_participants_with_the_same_fingerprint_have_separate_results(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("attempts", "results", "lists"):
        monkeypatch.setattr(
            f"stanine.store.{module}.participant_fingerprint", lambda _: b"12345678"
        )
    ids = submit(store, *[submission(participant="pq"[n % 2]) for n in range(10)])
    commit(store, ids, participants={n: "pq"[n % 2] for n in range(10)})
    for participant, own in (("p", ids[::2]), ("q", ids[1::2])):
        seen: list[bytes] = []
        cursor, at_end = Cursor(), False
        while not at_end:
            page: Any = store.results_of_participant(participant, cursor, 3)
            seen += [attempt.id for attempt, _, _ in page.items]
            cursor, at_end = page.next, page.at_end
        assert seen == own


def test_a_repeat_lists_nothing_again(store: Store) -> None:
    first = submit(store, submission("k", participant="p"), submission("k", participant="p"))
    submit(store, submission("k", participant="p"))
    assert listed(store, 0, "a") == [0]
    commit(store, first[:1], participants={0: "p"})
    commit(store, first[:1], participants={0: "p"})
    assert listed(store, 0, "r") == [0]
