"""Submitting, committing and listing attempts, against a real server."""

import asyncio
import secrets
from operator import itemgetter
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.stores import AsyncStore, Store

from stanine.connection.clients import connect_async
from stanine.store.attempts import PAGE_SIZE, Attempts, Submission
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import arrival_of, failure_record, place, read_result, result_start
from stanine.store.waiting import ResultWaiter


def submission(key: str | None = None, *, meaning: bytes = b"m" * 16, number: int = 1, participant: str | None = None) -> Submission:
    return Submission(number, 1, b"\x00\x01\x02", meaning, secrets.token_bytes(12), key, participant, {})


def submissions(count: int, **options: Any) -> list[Submission]:
    return [submission(f"k{n}", **options) for n in range(count)]


RESULT = result_start(1, 1) + b"body"


def test_an_attempt_is_stored_with_the_message_about_it(store: Store) -> None:
    one = Submission(7, 3, b"\x04\xff", b"m" * 16, b"r" * 12, "k", "p-17", {"age": 31})
    (submitted,) = store.submit(one)
    assert submitted.outcome == "new"
    stored = store.run(lambda s: s.attempts.read(submitted.id))
    assert stored is not None
    assert (stored.number, stored.revision, stored.codes, stored.key, stored.participant) == (7, 3, b"\x04\xff", "k", "p-17")
    assert stored.attributes == {"age": 31}
    ((entry, fields),) = store.client.xrange(store.outbox.stream)
    assert fields == {b"h": b"results-head", b"i": submitted.id}
    assert stored.submitted_at == int(entry.split(b"-")[0])


def test_a_bulk_of_attempts_is_queued_in_messages_of_limited_size(store: Store) -> None:
    submitted = store.submit(*submissions(150), ids_per_message=64)
    messages = [fields[b"i"] for _, fields in store.client.xrange(store.outbox.stream)]
    assert [len(ids) // 16 for ids in messages] == [64, 64, 22]
    assert b"".join(messages) == b"".join(each.id for each in submitted)


def test_the_same_key_with_the_same_meaning_is_answered_as_before(store: Store) -> None:
    (first,) = store.submit(submission("k"))
    (again,) = store.submit(submission("k"))
    assert (again.id, again.outcome) == (first.id, "repeated")
    assert store.client.xlen(store.outbox.stream) == 1
    assert store.run(lambda s: s.attempts.known(1, "k", b"m" * 16)) == again


def test_the_same_key_with_another_meaning_is_a_conflict_and_changes_nothing(store: Store) -> None:
    store.submit(submission("k"))
    (other,) = store.submit(submission("k", meaning=b"n" * 16))
    assert other.outcome == "conflict"
    assert store.sweep.arrivals() == 1


def test_a_key_is_an_instruments_own(store: Store) -> None:
    one, other = store.submit(submission("k", number=1), submission("k", number=2))
    assert (one.outcome, other.outcome) == ("new", "new")


def test_a_key_twice_in_one_call_is_one_attempt(store: Store) -> None:
    first, second, third = store.submit(submission("k"), submission("k"), submission("k", meaning=b"n" * 16))
    assert (first.outcome, second.outcome, third.outcome) == ("new", "repeated", "conflict")
    assert second.id == first.id


def test_without_a_key_each_submission_is_an_attempt(store: Store) -> None:
    first, second = store.submit(submission(), submission())
    assert first.id != second.id


def test_a_call_without_keys_that_is_sent_again_by_a_client_whose_reply_was_lost_adds_nothing(store: Store) -> None:
    sent = [submission(), submission("k"), submission()]
    first = store.submit(*sent)
    assert store.submit(*sent) == first
    assert store.sweep.arrivals() == 3
    assert store.client.xlen(store.outbox.stream) == 1
    assert 0 < store.client.ttl(next(store.client.scan_iter("*once*"))) <= 60


def test_an_id_whose_random_part_is_wrong_reads_nothing(store: Store) -> None:
    (submitted,) = store.submit(submission())
    assert store.run(lambda s: s.attempts.read(b"x" * 12 + submitted.id[12:])) is None
    assert store.results.load([b"x" * 12 + submitted.id[12:]]).records == [None]


def test_blocks_keep_the_compact_encoding(store: Store) -> None:
    store.submit(*submissions(BLOCK_SIZE + 1))
    assert store.client.object("encoding", store.keys.attempts(0)) == b"listpack"
    assert store.client.hlen(store.keys.attempts(0)) == BLOCK_SIZE
    assert store.client.hlen(store.keys.attempts(1)) == 1


def test_a_result_is_committed_once(store: Store) -> None:
    (one,) = store.submit(submission("k"))
    assert store.results.commit(1, [one.id], [RESULT], {}) == 1
    assert store.results.commit(1, [one.id], [result_start(1, 1) + b"late"], {}) == 0
    stored = store.run(lambda s: s.attempts.result(one.id))
    assert stored is not None
    assert stored.body == b"body"


def test_a_result_twice_in_one_commit_counts_once(store: Store) -> None:
    (one,) = store.submit(submission())
    assert store.results.commit(1, [one.id, one.id], [RESULT, RESULT], {}) == 1
    assert len(store.run(lambda s: s.attempts.results(1, 0, 10))) == 1


def test_no_result_is_stored_for_an_attempt_that_is_not_there(store: Store) -> None:
    (one,) = store.submit(submission())
    store.client.flushdb()
    assert store.results.commit(1, [one.id], [RESULT], {}) == 0
    assert store.client.keys("*") == []


def test_results_of_different_length_are_committed_together(store: Store) -> None:
    one, other = store.submit(submission(), submission())
    assert store.results.commit(1, [one.id, other.id], [RESULT, failure_record(1, "InstrumentMissing")], {}) == 2
    first, second = store.run(lambda s: s.attempts.results(1, 0, 10))
    assert (first.result.failure, second.result.failure) == (None, "InstrumentMissing")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrived=st.integers(1, 300),
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 310), st.binary(min_size=1, max_size=3), st.sampled_from([None, None, "p", "q"])), max_size=60),
        min_size=1,
        max_size=4,
    ),
    in_order=st.booleans(),
)
def test_whatever_is_committed_in_whatever_order_the_first_result_of_each_attempt_stays(
    store: Store, arrived: int, batches: list[list[tuple[int, bytes, str | None]]], in_order: bool
) -> None:
    store.client.flushdb()
    store.client.set(store.keys.arrivals, arrived)
    expected: dict[int, bytes] = {}
    log: list[int] = []
    lists: dict[str, list[int]] = {}
    for batch in [sorted(batch, key=itemgetter(0)) for batch in batches] if in_order else batches:
        before = len(expected)
        for arrival, body, participant in batch:
            if arrival < arrived and arrival not in expected:
                expected[arrival] = body
                log.append(arrival)
                if participant is not None:
                    lists.setdefault(participant, []).append(arrival)
        ids = [b"r" * 12 + arrival.to_bytes(4, "big") for arrival, _, _ in batch]
        whose = {index: participant for index, (_, _, participant) in enumerate(batch) if participant is not None}
        assert store.results.commit(1, ids, [body for _, body, _ in batch], whose) == len(expected) - before
    stored = {
        block * BLOCK_SIZE + int(slot): body
        for block in range(11)
        for slot, body in store.client.hgetall(store.keys.results(block)).items()
    }
    assert stored == expected
    assert store.client.get(store.keys.commit_log(1, 0)) == (b"".join(arrival.to_bytes(4, "big") for arrival in log) or None)
    assert int(store.client.hget(store.keys.commits, "1") or 0) == len(log)
    pages = {name.decode(): page[4:] for name, page in store.client.hgetall(store.keys.participants).items()}
    assert pages == {name: b"".join(arrival.to_bytes(4, "big") for arrival in arrivals) for name, arrivals in lists.items()}


def test_a_thousand_results_in_reverse_order_are_committed_by_one_call(store: Store) -> None:
    ids = [each.id for each in store.submit(*submissions(1000))]
    assert store.results.commit(1, ids[::-1], [RESULT + attempt_id[12:] for attempt_id in ids[::-1]], {}) == 1000
    for attempt_id in (ids[0], ids[1], ids[999]):
        block, slot = place(arrival_of(attempt_id))
        assert store.client.hget(store.keys.results(block), str(slot)) == RESULT + attempt_id[12:]


def test_where_a_key_holds_what_it_should_not_a_commit_writes_nothing(store: Store) -> None:
    ids = [each.id for each in store.submit(*submissions(40))]
    for wrong in (store.keys.results(1), store.keys.commits, store.keys.commit_log(1, 0), store.keys.participants):
        store.client.lpush(wrong, "x")
        keys = set(store.client.keys("*"))
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            store.results.commit(1, ids, [RESULT] * 40, {0: "p"})
        assert set(store.client.keys("*")) == keys
        store.client.delete(wrong)
    assert store.results.commit(1, ids, [RESULT] * 40, {0: "p"}) == 40


def test_results_are_listed_in_the_order_of_commits(store: Store) -> None:
    submitted = store.submit(*submissions(100))
    ids = [each.id for each in submitted]
    store.results.commit(1, ids[50:], [RESULT] * 50, {})
    store.results.commit(1, ids[:50], [RESULT] * 50, {})
    listed = store.run(lambda s: s.attempts.results(1, 0, 1000))
    assert [each.attempt.id for each in listed] == ids[50:] + ids[:50]
    assert [each.order for each in listed] == list(range(1, 101))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=st.lists(st.integers(1, 40), max_size=8), limit=st.integers(1, 50))
def test_polling_from_the_last_cursor_misses_and_repeats_nothing(store: Store, commits: list[int], limit: int) -> None:
    store.client.flushdb()
    seen: list[bytes] = []
    sent: list[bytes] = []
    after = 0
    for count in commits:
        ids = [each.id for each in store.submit(*[submission() for _ in range(count)])]
        sent += ids
        store.results.commit(1, ids, [RESULT] * count, {})
        page = store.run(lambda s: s.attempts.results(1, after, limit))
        seen += [each.attempt.id for each in page]
        after += len(page)
    while page := store.run(lambda s: s.attempts.results(1, after, limit)):
        seen += [each.attempt.id for each in page]
        after += len(page)
    assert seen == sent


def test_the_commit_log_goes_on_over_a_chunks_end(store: Store) -> None:
    from stanine.store.attempts import CHUNK_SIZE  # noqa: PLC0415 - used here only

    ids = [each.id for each in store.submit(*submissions(10))]
    # As if all but three of a chunk had been committed before, by the first attempt.
    store.client.hset(store.keys.commits, "1", CHUNK_SIZE - 3)
    store.client.set(store.keys.commit_log(1, 0), ids[0][12:] * (CHUNK_SIZE - 3))
    store.results.commit(1, ids, [RESULT] * 10, {})
    listed = store.run(lambda s: s.attempts.results(1, CHUNK_SIZE - 3, 10))
    assert [each.attempt.id for each in listed] == ids
    assert store.client.strlen(store.keys.commit_log(1, 0)) == CHUNK_SIZE * 4


@pytest.mark.parametrize("limit", [1, 100, 1000])
def test_a_participants_results_are_listed_over_pages_and_instruments(store: Store, limit: int) -> None:
    count = 2 * PAGE_SIZE + 10
    ids = []
    for start in range(0, count, 50):
        part = [submission(participant="p", number=1 + start % 3) for _ in range(min(50, count - start))]
        ids += [each.id for each in store.submit(*part)]
    for index, attempt_id in enumerate(ids):
        store.results.commit(1 + index % 3, [attempt_id], [RESULT], {0: "p"})
    after, seen = (0, []) if limit > 1 else (count - 3, ids[: count - 3])
    while page := store.run(lambda s: s.attempts.participant_results("p", after, limit)):
        seen += [each.attempt.id for each in page]
        after += len(page)
    assert seen == ids


def test_a_waiter_is_woken_by_the_commit(store: Store) -> None:
    (one,) = store.submit(submission())

    async def wait(s: AsyncStore) -> float:
        waiter = ResultWaiter(s.client, store.keys, s.attempts)
        listening = asyncio.create_task(waiter.run())
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(waiter.wait(one.id, 10))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(store.results.commit, 1, [one.id], [RESULT], {})
        committed = asyncio.get_running_loop().time()
        assert await waiting is not None
        listening.cancel()
        return asyncio.get_running_loop().time() - committed

    assert store.run(wait) < 0.2


def test_a_waiter_gives_up_in_time(store: Store) -> None:
    (one,) = store.submit(submission())
    assert store.run(lambda s: ResultWaiter(s.client, store.keys, s.attempts).wait(one.id, 0.05)) is None


def test_a_full_server_refuses_new_attempts_and_commits_results(store: Store) -> None:
    (one,) = store.submit(submission())
    store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            store.submit(submission())
        assert store.results.commit(1, [one.id], [RESULT], {}) == 1
    finally:
        store.client.config_set("maxmemory", 0)
    assert store.sweep.arrivals() == 1


@pytest.mark.parametrize("key", ["stream", "caller_keys", "block", "arrivals"])
def test_a_key_of_a_wrong_type_fails_the_submission_before_anything_is_written(store: Store, key: str) -> None:
    name = {
        "stream": store.outbox.stream,
        "caller_keys": store.keys.caller_keys(1),
        "block": store.keys.attempts(0),
        "arrivals": store.keys.arrivals,
    }[key]
    store.client.lpush(name, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        store.submit(submission("k"))
    assert store.client.keys("*") == [name.encode()]


def test_functions_that_were_flushed_are_loaded_again(store: Store) -> None:
    store.submit(submission())
    store.client.function_flush()
    store.submit(submission())
    store.client.function_flush()
    assert store.results.commit(1, [], [], {}) == 0


def test_the_sweep_finds_what_has_no_result_and_raises_the_low_water_mark(store: Store) -> None:
    ids = [each.id for each in store.submit(*submissions(5 * BLOCK_SIZE))]
    left = {ids[70], ids[130]}
    scored = [each for each in ids if each not in left]
    store.results.commit(1, scored, [RESULT] * len(scored), {})
    assert {each.id for each in store.sweep.unscored()} == left
    assert store.sweep.low_water() == place(arrival_of(ids[70]))[0]
    store.results.commit(1, [ids[70]], [RESULT], {})
    assert [each.id for each in store.sweep.unscored()] == [ids[130]]
    store.results.commit(1, [ids[130]], [RESULT], {})
    assert list(store.sweep.unscored()) == []
    assert store.sweep.low_water() == 5


def test_the_low_water_mark_stops_at_a_block_that_is_not_full(store: Store) -> None:
    ids = [each.id for each in store.submit(*submissions(BLOCK_SIZE + 1))]
    store.results.commit(1, ids, [RESULT] * len(ids), {})
    assert list(store.sweep.unscored()) == []
    assert store.sweep.low_water() == 1
    (late,) = store.submit(submission())
    assert [each.id for each in store.sweep.unscored()] == [late.id]


def test_the_sweep_looks_past_one_calls_worth_of_blocks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanine.store.sweep.BLOCKS_A_CALL", 2)
    ids = [each.id for each in store.submit(*submissions(9 * BLOCK_SIZE))]
    store.results.commit(1, ids[:-1], [RESULT] * (len(ids) - 1), {})
    assert [each.id for each in store.sweep.unscored()] == [ids[-1]]
    assert store.sweep.low_water() == 8


def test_a_requeued_attempt_counts_as_queued_from_then_on(store: Store) -> None:
    (one,) = store.submit(submission())
    store.client.delete(store.outbox.stream)
    store.results.requeue([one.id])
    (waiting,) = store.sweep.unscored()
    ((entry, fields),) = store.client.xrange(store.outbox.stream)
    assert fields[b"i"] == one.id
    assert (waiting.queued_at, waiting.requeues) == (int(entry.split(b"-")[0]), 1)
    store.results.commit(1, [one.id], [RESULT], {})
    store.sweep.forget_requeues()
    assert store.client.hlen(store.keys.requeued) == 0


def test_a_failed_attempt_reads_back_its_reason() -> None:
    assert read_result(failure_record(3, "CorruptAttempt")).failure == "CorruptAttempt"


def test_a_write_may_wait_for_the_disk(store: Store) -> None:
    from stanine.store.durability import Durability  # noqa: PLC0415 - used here only

    async def submit(s: AsyncStore) -> Any:
        s.writer.durability = Durability.FSYNC
        await s.client.function_flush()
        return await Attempts(s.client, s.writer, store.keys, store.outbox).submit([submission("k")])

    (one,) = store.run(submit)
    assert one.outcome == "new"


def test_an_asyncio_client_that_listens_outlives_its_socket_timeout(store: Store) -> None:
    (one,) = store.submit(submission())

    async def wait(s: AsyncStore) -> bool:
        from stanine.connection import clients  # noqa: PLC0415 - its timeout is shortened for this test

        previous, clients.SOCKET_TIMEOUT = clients.SOCKET_TIMEOUT, 0.2
        try:
            client = connect_async(store.url)
        finally:
            clients.SOCKET_TIMEOUT = previous
        waiter = ResultWaiter(client, store.keys, s.attempts)
        listening = asyncio.create_task(waiter.run())
        await asyncio.sleep(0.7)
        waiting = asyncio.create_task(waiter.wait(one.id, 5))
        await asyncio.sleep(0.05)
        started = asyncio.get_running_loop().time()
        await asyncio.to_thread(store.results.commit, 1, [one.id], [RESULT], {})
        await waiting
        listening.cancel()
        await client.aclose()
        return asyncio.get_running_loop().time() - started < 0.2

    assert store.run(wait)
