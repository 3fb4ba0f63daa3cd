"""Submit, commit and list attempts on a real server."""

import asyncio
from operator import itemgetter
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.store.attempting import (
    COMMIT,
    CONTENT,
    OTHER_CONTENT,
    OTHER_SPACE,
    RESULT,
    SPACE,
    commit,
    everything,
    stored_results,
    submission,
    submissions,
    submit,
)
from tests.integration.stores import AsyncStore, Store

from stanine.broker.connection.clients import connect_async
from stanine.store.attempts import Attempts, Submission
from stanine.store.cursors import Cursor, Mark, tag_of
from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.keys import BLOCK_SIZE, CHUNK_SIZE
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES, arrival_of
from stanine.store.result_layout import failure_record, read_result, result_start
from stanine.store.waiting import ResultWaiter


def test_an_attempt_and_its_message_are_stored_together(store: Store) -> None:
    one = Submission(
        7,
        3,
        b"\x04\xff",
        CONTENT,
        b"p" * RANDOM_BYTES,
        "",
        SPACE,
        "k",
        "p-17",
        {"age": 31},
        "de",
        42.5,
    )
    (submitted,) = store.submit(one)
    assert (submitted.outcome, submitted.id[:RANDOM_BYTES]) == ("new", one.id_random)
    found = store.read(submitted.id)
    assert found is not None
    stored, result = found
    assert result is None
    assert (stored.number, stored.revision, stored.codes, stored.key, stored.participant) == (
        7,
        3,
        b"\x04\xff",
        "k",
        "p-17",
    )
    assert (stored.attributes, stored.language, stored.seconds) == ({"age": 31}, "de", 42.5)
    ((entry, fields),) = store.client.xrange(store.outbox.stream)
    assert fields == {b"h": b"results-head", b"i": submitted.id}
    assert stored.submitted_at == int(entry.split(b"-")[0])


def test_bulk_attempts_are_queued_in_messages_of_limited_size(store: Store) -> None:
    submitted = store.submit(*submissions(150), ids_per_message=64)
    messages = [fields[b"i"] for _, fields in store.client.xrange(store.outbox.stream)]
    assert [len(ids) // 16 for ids in messages] == [64, 64, 22]
    assert b"".join(messages) == b"".join(each.id for each in submitted)


def test_the_same_key_and_content_returns_the_existing_attempt(store: Store) -> None:
    (first,) = store.submit(submission("k"))
    (again,) = store.submit(submission("k"))
    assert (again.id, again.outcome) == (first.id, "repeated")
    assert store.client.xlen(store.outbox.stream) == 1
    assert store.run(lambda s: s.attempts.known(1, SPACE, "k", CONTENT)) == again


def test_the_same_key_with_other_content_is_a_conflict(store: Store) -> None:
    store.submit(submission("k"))
    before = everything(store)
    (other,) = store.submit(submission("k", content=OTHER_CONTENT))
    assert other.outcome == "conflict"
    assert store.run(lambda s: s.attempts.known(1, SPACE, "k", OTHER_CONTENT)) == other
    assert store.sweep.arrivals() == 1
    assert everything(store) == before


def test_keys_are_scoped_to_instrument_and_key_space(store: Store) -> None:
    places = [(1, SPACE), (2, SPACE), (1, OTHER_SPACE)]
    first = store.submit(
        *[submission("k", number=number, key_space=space) for number, space in places]
    )
    assert [each.outcome for each in first] == ["new"] * 3
    again = store.submit(
        *[submission("k", number=number, key_space=space) for number, space in places]
    )
    assert [(each.id, each.outcome) for each in again] == [(each.id, "repeated") for each in first]
    assert store.run(lambda s: s.attempts.known(2, OTHER_SPACE, "k", CONTENT)) is None


def test_a_key_twice_in_one_call_is_one_attempt(store: Store) -> None:
    first, second, third = store.submit(
        submission("k"), submission("k"), submission("k", content=OTHER_CONTENT)
    )
    assert (first.outcome, second.outcome, third.outcome) == ("new", "repeated", "conflict")
    assert second.id == first.id


def test_without_a_key_each_submission_is_an_attempt(store: Store) -> None:
    first, second = store.submit(submission(), submission())
    assert first.id != second.id


def test_a_retried_call_without_keys_adds_nothing(
    store: Store,
) -> None:
    sent = [submission(), submission("k"), submission()]
    first = store.submit(*sent)
    assert store.submit(*sent) == first
    assert store.sweep.arrivals() == 3
    assert store.client.xlen(store.outbox.stream) == 1
    assert 0 < store.client.ttl(next(store.client.scan_iter("*once*"))) <= 60


def test_an_id_with_a_wrong_random_part_reads_nothing(store: Store) -> None:
    (submitted,) = store.submit(submission())
    wrong = b"x" * RANDOM_BYTES + submitted.id[RANDOM_BYTES:]
    assert store.read(wrong) is None
    assert store.results.load([wrong, submitted.id]).records[0] is None
    assert store.results.load([wrong, submitted.id]).records[1] is not None


def test_a_result_is_committed_once(store: Store) -> None:
    ids = submit(store, submission("k"))
    assert commit(store, ids) == 1
    assert commit(store, ids, [result_start(1, 1, COMMIT) + b"late"]) == 0
    stored = store.result(ids[0])
    assert stored is not None
    assert (stored.body, stored.commit) == (b"body", COMMIT)


def test_a_duplicate_id_in_a_commit_is_rejected_and_nothing_is_written(store: Store) -> None:
    one, other = submit(store, submission(), submission())
    before = everything(store)
    with pytest.raises(redis.ResponseError, match="not distinct"):
        commit(store, [one, other, one])
    assert everything(store) == before


def test_no_result_is_stored_for_a_missing_attempt(store: Store) -> None:
    ids = submit(store, submission())
    store.client.flushdb()
    assert commit(store, ids) == 0
    assert store.client.keys("*") == []


def test_results_of_different_length_are_committed_together(store: Store) -> None:
    ids = submit(store, submission(), submission())
    assert commit(store, ids, [RESULT, failure_record(1, "InstrumentMissing", COMMIT)]) == 2
    first, second = [result for _, result, _ in store.results_of().items]
    assert (first.failure, second.failure) == (None, "InstrumentMissing")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    arrived=st.integers(1, 300),
    batches=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 310),
                st.booleans(),
                st.binary(min_size=1, max_size=3),
                st.sampled_from([None, None, "p", "q"]),
            ),
            unique_by=itemgetter(0, 1),
            max_size=60,
        ),
        min_size=1,
        max_size=4,
    ),
    in_order=st.booleans(),
)
def test_the_first_result_of_each_attempt_is_kept_for_any_order_of_commits(
    store: Store,
    arrived: int,
    batches: list[list[tuple[int, bool, bytes, str | None]]],
    in_order: bool,
) -> None:
    """Mix correct ids and ids of other data with the same arrival numbers.

    `q` has no attempt if there is only one.
    """
    store.client.flushdb()
    known = ["p", "q"][:arrived]
    ids = submit(
        store,
        *[submission(participant=known[n] if n < len(known) else None) for n in range(arrived)],
    )
    expected: dict[int, bytes] = {}
    log: list[int] = []
    lists: dict[str, list[int]] = {"p": [], "q": []}
    for batch in [sorted(batch, key=itemgetter(0)) for batch in batches] if in_order else batches:
        before = len(expected)
        for arrival, is_right, body, participant in sorted(
            batch, key=itemgetter(0)
        ):  # a call commits in order of arrival
            if is_right and arrival < arrived and arrival not in expected:
                expected[arrival] = body
                log.append(arrival)
                if participant in known:
                    lists[participant].append(arrival)
        named = [
            ids[arrival]
            if is_right and arrival < arrived
            else b"r" * RANDOM_BYTES + arrival.to_bytes(ARRIVAL_BYTES, "big")
            for arrival, is_right, _, _ in batch
        ]
        whose = {
            index: participant
            for index, (*_, participant) in enumerate(batch)
            if participant is not None
        }
        if len(set(named)) == len(named):
            assert (
                commit(store, named, [body for _, _, body, _ in batch], whose)
                == len(expected) - before
            )
        else:
            with pytest.raises(redis.ResponseError, match="not distinct"):
                commit(store, named, [body for _, _, body, _ in batch], whose)
            for arrival in log[before:]:
                del expected[arrival]
                for listed in lists.values():
                    listed[:] = [each for each in listed if each != arrival]
            del log[before:]
    assert stored_results(store, 11) == expected
    assert store.client.get(store.keys.commit_log(1, 0)) == (packed(log) or None)
    assert int(store.client.hget(store.keys.commits, "1") or 0) == len(log)
    for first, participant in enumerate(known):
        assert results_listed(store, first) == packed(lists[participant])


def packed(arrivals: list[int]) -> bytes:
    return b"".join(arrival.to_bytes(ARRIVAL_BYTES, "big") for arrival in arrivals)


def results_listed(store: Store, first: int) -> bytes:
    """Return the arrival numbers of a participant's results, by the first attempt's."""
    partition = store.keys.partition
    value: bytes = store.client.hget(
        f"{partition}:l:{first // BLOCK_SIZE}", str(first % BLOCK_SIZE)
    )
    pages = int.from_bytes(value[4:8], "big")
    full: list[bytes] = [
        store.client.get(f"{partition}:l:{first}:r:{page}") for page in range(pages)
    ]
    return b"".join(full) + value[9 + value[8] * ARRIVAL_BYTES :]


def test_a_thousand_results_in_reverse_order_are_committed_by_one_call(store: Store) -> None:
    ids = submit(store, *submissions(1000))
    assert commit(store, ids[::-1], [RESULT + attempt_id for attempt_id in ids[::-1]]) == 1000
    for attempt_id in (ids[0], ids[1], ids[999]):
        assert stored_results(store, 32)[arrival_of(attempt_id)] == RESULT + attempt_id


def bucket_of(store: Store, family: str, fingerprint: bytes) -> str:
    """Return the level-0 bucket of a fingerprint."""
    return f"{store.keys.partition}:{family}:0:{int.from_bytes(fingerprint[:4], 'big') >> 20}"


@pytest.mark.parametrize(
    "wrong", ["attempts", "results", "commits", "log", "participants", "lists", "history"]
)
def test_a_commit_with_a_key_of_a_wrong_type_writes_nothing(store: Store, wrong: str) -> None:
    ids = submit(store, submission(participant="p"), *submissions(39))
    store.client.hset(store.keys.index_history, "1", "ab")
    name = {
        "attempts": store.keys.attempts(1),
        "results": store.keys.results(1),
        "commits": store.keys.commits,
        "log": store.keys.commit_log(1, 0),
        "participants": bucket_of(store, "p", participant_fingerprint("p")),
        "lists": f"{store.keys.partition}:l:0",
        "history": store.keys.index_history,
    }[wrong]
    if store.client.exists(name):
        store.client.rename(name, "kept")
    store.client.lpush(name, "x")
    before = everything(store)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        commit(store, ids, participants={0: "p"}, view="1 ab")
    assert everything(store) == before
    store.client.delete(name)
    if store.client.exists("kept"):
        store.client.rename("kept", name)
    assert commit(store, ids, participants={0: "p"}, view="1 ab") == 40


def test_results_are_listed_in_commit_order(store: Store) -> None:
    ids = submit(store, *submissions(100))
    commit(store, ids[50:])
    commit(store, ids[:50])
    listed = store.results_of()
    assert [attempt.id for attempt, _, _ in listed.items] == ids[50:] + ids[:50]
    assert [mark.position for _, _, mark in listed.items] == list(range(1, 101))
    assert (listed.next.marks[0], listed.at_end) == (listed.items[-1][2], True)
    for attempt, _, mark in listed.items[:3]:
        (following, *_) = store.results_of(cursor=Cursor((mark,)), limit=1).items
        assert (ids[50:] + ids[:50])[mark.position] == following[0].id != attempt.id


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commits=st.lists(st.integers(1, 40), max_size=8), limit=st.integers(1, 50))
def test_polling_by_cursor_neither_skips_nor_repeats_results(
    store: Store, commits: list[int], limit: int
) -> None:
    store.client.flushdb()
    seen: list[bytes] = []
    sent: list[bytes] = []
    cursor = Cursor()
    at_end = False
    for count in commits:
        ids = submit(store, *[submission() for _ in range(count)])
        sent += ids
        commit(store, ids)
        page = store.results_of(cursor=cursor, limit=limit)
        seen += [attempt.id for attempt, _, _ in page.items]
        cursor = page.next
    while not at_end:
        page = store.results_of(cursor=cursor, limit=limit)
        seen += [attempt.id for attempt, _, _ in page.items]
        cursor, at_end = page.next, page.at_end
    assert seen == sent
    assert cursor.position == len(sent)


def test_the_commit_log_continues_in_the_next_chunk(store: Store) -> None:
    ids = submit(store, *submissions(10))
    # As if the first attempt had committed all but three entries of a chunk.
    store.client.hset(store.keys.commits, "1", CHUNK_SIZE - 3)
    store.client.set(store.keys.commit_log(1, 0), ids[0][RANDOM_BYTES:] * (CHUNK_SIZE - 3))
    commit(store, ids)
    listed = store.results_of(
        cursor=Cursor((Mark(CHUNK_SIZE - 3, tag_of(ids[0], COMMIT)),)), limit=10
    )
    assert [attempt.id for attempt, _, _ in listed.items] == ids
    assert store.client.strlen(store.keys.commit_log(1, 0)) == CHUNK_SIZE * ARRIVAL_BYTES


def test_a_waiter_is_woken_by_the_commit(store: Store) -> None:
    (one,) = store.submit(submission())

    async def wait(s: AsyncStore) -> float:
        waiter = ResultWaiter(s.client, store.keys, s.records)
        listening = asyncio.create_task(waiter.run())
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(waiter.wait(one.id, 10))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(commit, store, [one.id])
        committed = asyncio.get_running_loop().time()
        found = await waiting
        assert found is not None
        assert (found[0].id, found[1] and found[1].body) == (one.id, b"body")
        listening.cancel()
        return asyncio.get_running_loop().time() - committed

    assert store.run(wait) < 0.2


def test_a_waiter_times_out(store: Store) -> None:
    (one,) = store.submit(submission())
    found = store.run(lambda s: ResultWaiter(s.client, store.keys, s.records).wait(one.id, 0.05))
    assert found is not None
    assert (found[0].id, found[1]) == (one.id, None)


def test_a_full_server_rejects_attempts_and_commits_results(store: Store) -> None:
    (one,) = store.submit(submission())
    store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            store.submit(submission())
        assert commit(store, [one.id]) == 1
    finally:
        store.client.config_set("maxmemory", 0)
    assert store.sweep.arrivals() == 1


@pytest.mark.parametrize(
    "key",
    [
        "stream",
        "keys",
        "participants",
        "sizes",
        "lists",
        "block",
        "arrivals",
        "answered",
        "numbers",
    ],
)
def test_a_key_of_a_wrong_type_fails_the_submission_before_anything_is_written(
    store: Store, key: str
) -> None:
    name = {
        "stream": store.outbox.stream,
        "keys": bucket_of(store, "k", key_fingerprint(key_scope(SPACE, 1), b"k")),
        "participants": bucket_of(store, "p", participant_fingerprint("p")),
        "sizes": store.keys.sizes,
        "lists": f"{store.keys.partition}:l:0",
        "block": store.keys.attempts(0),
        "arrivals": store.keys.arrivals,
        "answered": store.keys.answered,
        "numbers": store.keys.numbers,
    }[key]
    store.client.lpush(name, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        store.submit(submission("j"), submission("k", participant="p"), submission("l"))
    assert store.client.keys("*") == [name.encode()]


def test_flushed_functions_are_loaded_again(store: Store) -> None:
    store.submit(submission())
    store.client.function_flush()
    store.submit(submission())
    store.client.function_flush()
    assert commit(store, submit(store, submission())) == 1


def test_a_failed_attempt_reads_back_its_reason() -> None:
    assert read_result(failure_record(3, "CorruptAttempt", COMMIT)).failure == "CorruptAttempt"


def test_a_write_may_wait_for_the_disk(store: Store) -> None:
    from stanine.store.durability import Durability  # noqa: PLC0415 - used here only

    async def submit(s: AsyncStore) -> Any:
        s.writer.durability = Durability.FSYNC
        await s.client.function_flush()
        return await Attempts(s.client, s.writer, store.keys, store.outbox).submit(
            [submission("k")]
        )

    (one,) = store.run(submit)
    assert one.outcome == "new"


def test_an_asyncio_client_that_listens_outlives_its_socket_timeout(store: Store) -> None:
    (one,) = store.submit(submission())

    async def wait(s: AsyncStore) -> bool:
        from stanine.broker.connection import clients  # noqa: PLC0415 - its timeout is shortened for this test

        previous, clients.SOCKET_TIMEOUT = clients.SOCKET_TIMEOUT, 0.2
        try:
            client = connect_async(store.url)
        finally:
            clients.SOCKET_TIMEOUT = previous
        waiter = ResultWaiter(client, store.keys, s.records)
        listening = asyncio.create_task(waiter.run())
        await asyncio.sleep(0.7)
        waiting = asyncio.create_task(waiter.wait(one.id, 5))
        await asyncio.sleep(0.05)
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(commit, store, [one.id])
        await waiting
        listening.cancel()
        await client.aclose()
        return asyncio.get_running_loop().time() - started < 0.2

    assert store.run(wait)
