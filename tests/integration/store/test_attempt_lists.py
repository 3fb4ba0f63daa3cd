"""Lists of an instrument's attempts by arrival: complete, with or without the index of blocks, and over erasures."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.store.attempting import RESULT, commit, submission, submit
from tests.integration.stores import Store

from stanine.store.attempt_lists import AttemptFilter, AttemptPage, cursor_after
from stanine.store.cursors import UNKNOWN, Cursor
from stanine.store.errors import LostCursorError
from stanine.store.keys import BLOCK_SIZE
from stanine.store.result_layout import failure_record

ANY = AttemptFilter()


def page(
    store: Store, number: int, cursor: Cursor, limit: int = 250, wanted: AttemptFilter = ANY
) -> AttemptPage:
    return store.run(lambda opened: opened.attempt_lists.page(number, cursor, limit, wanted))


def ids(found: AttemptPage) -> list[bytes]:
    return [attempt.id for attempt, _ in found.items]


def whole(
    store: Store,
    number: int,
    limit: int = 250,
    wanted: AttemptFilter = ANY,
    cursor: Cursor | None = None,
) -> list[bytes]:
    """Read a whole list page by page, from a cursor on."""
    found: list[bytes] = []
    cursor = cursor or Cursor()
    while True:
        one = page(store, number, cursor, limit, wanted)
        found += ids(one)
        cursor = one.next
        if one.at_end:
            return found


def erase(store: Store, *attempts: bytes) -> None:
    args = [each for attempt in attempts for each in (attempt, b"")]
    store.run(
        lambda opened: opened.writer.call(
            "erase", [store.keys.arrivals], [2_000_000_000_000, 0, "n", "s", "", "", "", *args]
        )
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    numbers=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 90)), min_size=1, max_size=8),
    limit=st.sampled_from([1, 7, 32, 250]),
)
def test_each_instrument_lists_exactly_its_attempts_in_order_of_arrival(
    store: Store, numbers: list[tuple[int, int]], limit: int
) -> None:
    store.client.flushall()
    of: dict[int, list[bytes]] = {1: [], 2: [], 3: []}
    for number, count in numbers:
        of[number] += submit(store, *[submission(number=number) for _ in range(count)])
    if limit == 1:
        of = {number: some for number, some in of.items() if len(some) < 30}
    for number, attempts in of.items():
        assert whole(store, number, limit) == attempts
        assert whole(store, number, limit) == attempts, "and again, from the index of blocks"


def test_the_index_of_blocks_may_be_lost_and_stay_incomplete(store: Store) -> None:
    of: dict[int, list[bytes]] = {1: [], 2: []}
    for turn in range(30):
        number = turn % 2 + 1
        of[number] += submit(store, *[submission(number=number) for _ in range(50)])
    assert [whole(store, number) for number in of] == [*of.values()]
    client, partition = store.client, store.keys.partition
    assert int(client.get(f"{partition}:listed")) == 1500 // BLOCK_SIZE
    assert int(client.hget(f"{partition}:blocks", 1)) < 1500 // BLOCK_SIZE
    client.delete(f"{partition}:listed", f"{partition}:blocks", *client.keys(f"{partition}:b:*"))
    assert [whole(store, number) for number in of] == [*of.values()]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_cursors_survive_erasure_and_erased_attempts_are_not_listed(
    store: Store, rebuilt: bool
) -> None:
    attempts = submit(store, *[submission(f"k{n}") for n in range(100)])
    first = page(store, 1, Cursor(), 40)
    assert ids(first) == attempts[:40]
    erase(store, *attempts[30:60])
    if rebuilt:
        partition = store.keys.partition
        store.client.delete(f"{partition}:listed", *store.client.keys(f"{partition}:b*"))
    assert ids(page(store, 1, first.next)) == attempts[60:]
    assert ids(page(store, 1, cursor_after(attempts[39], 1))) == attempts[60:]
    assert whole(store, 1) == attempts[:30] + attempts[60:]


def test_a_cursor_of_other_data_names_the_last_common_attempt(store: Store) -> None:
    kept = submit(store, *[submission() for _ in range(50)])
    common = page(store, 1, Cursor(), 50).next
    dump = {key: store.client.dump(key) for key in store.client.keys("*")}
    lost = submit(store, *[submission() for _ in range(50)])
    cursor = page(store, 1, common).next
    store.client.flushall()
    for key, value in dump.items():
        store.client.restore(key, 0, value)
    later = submit(store, *[submission() for _ in range(70)])
    for unknown in (cursor, cursor_after(lost[3], 1), UNKNOWN):
        with pytest.raises(LostCursorError):
            page(store, 1, unknown)
    with pytest.raises(LostCursorError) as refused:
        page(store, 1, cursor)
    assert refused.value.following == common.encode()
    assert ids(page(store, 1, common)) == later
    assert whole(store, 1) == kept + later


def test_a_cursor_of_another_instrument_is_rejected(store: Store) -> None:
    submit(store, submission(), submission(number=2))
    cursor = page(store, 1, Cursor()).next
    with pytest.raises(LostCursorError):
        page(store, 2, cursor)


def test_filters_select_by_time_state_key_and_participant(store: Store) -> None:
    chooser = random.Random(1)
    given: list[dict[str, Any]] = []
    for n in range(200):
        key = chooser.choice([None, f"k{n}", f"00000000-0000-4000-8000-{n:012}"])
        given.append({"key": key, "participant": chooser.choice([None, "p", "q"])})
    attempts = submit(
        store, *[submission(each["key"], participant=each["participant"]) for each in given]
    )
    commit(store, attempts[:50])
    commit(store, attempts[50:80], [failure_record(1, "why", b"comm")] * 30)
    expected = {
        "Scored": attempts[:50],
        "Failed": attempts[50:80],
        "Submitted": attempts[80:],
    }
    for state, wanted in expected.items():
        assert whole(store, 1, 17, AttemptFilter(state=state)) == wanted
    for person in "pq":
        of = [
            each for each, one in zip(attempts, given, strict=True) if one["participant"] == person
        ]
        assert whole(store, 1, 5, AttemptFilter(participant=person)) == of
        scored = [each for each in of if each in attempts[:50]]
        assert whole(store, 1, 5, AttemptFilter(participant=person, state="Scored")) == scored
    for place in (0, 120):
        if (key := given[place]["key"]) is not None:
            assert whole(store, 1, 250, AttemptFilter(key=key)) == [attempts[place]]
    assert whole(store, 1, 250, AttemptFilter(key="none")) == []
    assert whole(store, 1, 250, AttemptFilter(participant="none")) == []
    read = store.read(attempts[0])
    assert read is not None
    at = read[0].submitted_at
    assert whole(store, 1, 250, AttemptFilter(since=at, until=at + 1)) != []
    assert whole(store, 1, 250, AttemptFilter(until=at)) == []
    assert whole(store, 1, 250, AttemptFilter(since=at + 3_600_000)) == []


def test_a_participant_with_pages_of_attempts_is_listed_from_any_cursor(store: Store) -> None:
    attempts = submit(store, *[submission(participant="pq"[n % 2]) for n in range(500)])
    wanted = AttemptFilter(participant="p")
    assert whole(store, 1, 9, wanted) == attempts[::2]
    assert whole(store, 1, 250, wanted, cursor_after(attempts[301], 1)) == attempts[302::2]


def test_results_come_with_their_attempts(store: Store) -> None:
    attempts = submit(store, submission(), submission())
    commit(store, attempts[1:], [RESULT])
    (_, none), (_, result) = page(store, 1, Cursor()).items
    assert none is None
    assert result is not None
    assert result.body == b"body"
