"""Blocks on a real server.

Records are read as written for any division of attempts and results into calls.
"""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.store.attempting import (
    RESULT,
    commit,
    stored_results,
    submission,
    submissions,
    submit,
)
from tests.integration.stores import Store

from stanine.store.attempts import Submission
from stanine.store.blocks import IDS_FIELD, RUN_FIELD, RUN_LIMIT
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES, read_attempt

SLOW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
#: Calls that begin and end inside blocks, at their edges, and cover several.
sizes = st.lists(st.sampled_from([1, 2, 7, 31, 32, 33, 64, 100]), min_size=1, max_size=6)


def test_a_call_that_fills_a_block_writes_a_run(store: Store) -> None:
    store.submit(*submissions(BLOCK_SIZE + 1))
    assert set(store.client.hkeys(store.keys.attempts(0))) == {
        IDS_FIELD.encode(),
        RUN_FIELD.encode(),
    }
    assert set(store.client.hkeys(store.keys.attempts(1))) == {IDS_FIELD.encode(), b"0"}
    assert store.client.object("encoding", store.keys.attempts(1)) == b"listpack"
    assert len(store.client.hget(store.keys.attempts(0), IDS_FIELD)) == BLOCK_SIZE * RANDOM_BYTES


def test_records_too_long_for_a_run_have_separate_fields(store: Store) -> None:
    long = [submission(participant=f"{n:0>{RUN_LIMIT // BLOCK_SIZE}}") for n in range(BLOCK_SIZE)]
    ids = submit(store, *long)
    assert store.client.hlen(store.keys.attempts(0)) == BLOCK_SIZE + 1
    assert [
        read_attempt(record or b"", ids[n]).participant
        for n, record in enumerate(store.results.load(ids).records)
    ] == [each.participant for each in long]


@SLOW
@given(
    sizes,
    st.lists(
        st.sampled_from(["plain", "key", "long key", "person", "known"]), min_size=1, max_size=40
    ),
)
def test_attempts_are_read_as_submitted_for_any_division_into_calls(
    store: Store, calls: list[int], kinds: list[str]
) -> None:
    store.client.flushdb()
    made: list[tuple[bytes, Submission]] = []
    known: list[Submission] = []
    for size in calls:
        batch: list[Submission] = []
        for _ in range(size):
            n = len(made) + len(batch)
            kind = kinds[n % len(kinds)]
            if kind == "known" and known:
                batch.append(known[n % len(known)])
            else:
                key = {"key": f"k{n}", "long key": f"k{n:0>50}"}.get(kind)
                batch.append(submission(key, participant=f"p{n % 5}" if kind == "person" else None))
        made += zip([each.id for each in store.submit(*batch)], batch, strict=True)
        known = [each for _, each in made if each.key is not None]
    first_of = {each.key: attempt_id for attempt_id, each in reversed(made) if each.key is not None}
    loaded = store.results.load([attempt_id for attempt_id, _ in made])
    for (attempt_id, sent), record in zip(made, loaded.records, strict=True):
        assert attempt_id == (attempt_id if sent.key is None else first_of[sent.key])
        stored = read_attempt(record or b"", attempt_id)
        assert (stored.codes, stored.key, stored.participant) == (
            sent.codes,
            sent.key,
            sent.participant,
        )
        assert store.results.load([attempt_id]).records == [record]
    assert {each.id for each in store.sweep.all_unscored()} == {
        attempt_id for attempt_id, _ in made
    }


@SLOW
@given(
    st.integers(1, 150),
    st.lists(
        st.tuples(
            st.integers(0, 149),
            st.sampled_from([1, 31, 32, 33, 64, 150]),
            st.booleans(),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_the_first_result_is_kept_for_any_division_into_commits(
    store: Store, arrived: int, spans: Sequence[tuple[int, int, bool, bool]]
) -> None:
    store.client.flushdb()
    ids = submit(store, *submissions(arrived))
    expected: dict[int, bytes] = {}
    for call, (start, count, aligned, uniform) in enumerate(spans):
        first = start // BLOCK_SIZE * BLOCK_SIZE if aligned else start
        places = range(min(first, arrived - 1), min(first + count, arrived))
        bodies = [b"%d" % call + b"x" * (0 if uniform else place % 4) for place in places]
        head = b"" if call % 2 else RESULT
        new = [place for place in places if place not in expected]
        named = [ids[place] for place in places]
        assert store.results.commit(1, named, bodies, {}, "", head) == len(new)
        expected |= {
            place: head + body for place, body in zip(places, bodies, strict=True) if place in new
        }
        assert stored_results(store, -(-arrived // BLOCK_SIZE)) == expected
        assert {each.id for each in store.sweep.all_unscored()} == {
            ids[place] for place in range(arrived) if place not in expected
        }
    listed = (
        store.results_of(limit=1000).items
        if all(value.startswith(RESULT) for value in expected.values())
        else []
    )
    assert {attempt.id for attempt, _, _ in listed} <= set(ids)


def test_attempts_are_loaded_in_the_order_of_their_ids(store: Store) -> None:
    """Messages of one block arrive in any order after a retry; each id must get its own record."""
    made = [submission(f"k{n}") for n in range(BLOCK_SIZE)]
    ids = submit(store, *made)
    for order in (list(range(BLOCK_SIZE))[::-1], [*range(16, 32), *range(16)]):
        records = store.results.load([ids[n] for n in order]).records
        keys = [
            read_attempt(record or b"", ids[n]).key
            for n, record in zip(order, records, strict=True)
        ]
        assert keys == [made[n].key for n in order]


def test_results_of_a_whole_block_are_listed_and_read(store: Store) -> None:
    ids = submit(store, *submissions(2 * BLOCK_SIZE))
    assert store.results.commit(
        1, ids, [b"%d" % n for n in range(len(ids))], {}, "", RESULT
    ) == len(ids)
    assert store.client.hkeys(store.keys.results(0)) == [RUN_FIELD.encode()]
    assert [(attempt.id, result.body) for attempt, result, _ in store.results_of().items] == [
        (each, b"body%d" % n) for n, each in enumerate(ids)
    ]
    found = store.read(ids[40])
    assert found is not None
    assert found[1] is not None
    assert found[1].body == b"body40"


@pytest.mark.parametrize("cut", [0, 1, 5, 9, 40, 300])
def test_a_damaged_run_loses_attempts_but_fails_no_call(store: Store, cut: int) -> None:
    ids = submit(store, *submissions(BLOCK_SIZE))
    whole = store.results.load(ids).records
    key = store.keys.attempts(0)
    store.client.hset(key, RUN_FIELD, store.client.hget(key, RUN_FIELD)[:cut])
    again = store.submit(*submissions(BLOCK_SIZE))
    assert all(each.outcome in ("new", "repeated") for each in again)
    assert sum(each.outcome == "new" for each in again) > 0
    for before, after in zip(whole, store.results.load(ids).records, strict=True):
        assert (before or b"").startswith(after or b""), "a record is whole or cut short"
    ids_again = [each.id for each in again if each.outcome == "new"]
    assert commit(store, ids_again) == len(ids_again)
    assert all(int.from_bytes(each[-ARRIVAL_BYTES:], "big") >= BLOCK_SIZE for each in ids_again)
