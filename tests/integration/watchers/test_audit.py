"""`stanine check --scores` on a real server: sound data passes, and every defect is found."""

import pytest
from tests.integration.stores import Store
from tests.integration.watchers.assessing import GAD_7_DOUBLED, attempt, publish, submit

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.store.audit import Audit, Auditor
from stanine.store.blocks import RUN_FIELD, block_records
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import ARRIVAL_BYTES
from stanine.store.result_layout import failure_record


@pytest.fixture
def ids(store: Store) -> list[bytes]:
    """Seventy attempts in three blocks, of two revisions.

    Half were scored before the second revision.
    """
    scorer = BatchScorer(store.results, store.index, store.history)
    publish(store)
    first = submit(store, *[attempt(bytes([n % 4] * 7)) for n in range(35)])
    scorer.score(b"".join(first))
    publish(store, GAD_7_DOUBLED)
    second = submit(store, *[attempt(bytes([n % 4] * 7), revision=1 + n % 2) for n in range(35)])
    scorer.score(b"".join(second))
    return first + second


def audit(store: Store) -> Audit:
    return Auditor(store.client, store.history, store.sweep, store.keys).audit()


def result_of(store: Store, arrival: int) -> tuple[str, int]:
    return record_in(store, store.keys.results(arrival // BLOCK_SIZE), arrival % BLOCK_SIZE)


def record_in(store: Store, key: str, slot: int) -> tuple[str, int]:
    """Return where a record is stored, after its block was split into one field per slot."""
    fields = store.client.hgetall(key)
    store.client.hset(key, mapping=block_records(fields))
    store.client.hdel(key, RUN_FIELD)
    return key, slot


def test_results_are_compared_by_the_revision_that_scored_them(
    store: Store, ids: list[bytes]
) -> None:
    found = audit(store)
    assert found.is_sound
    assert found.equal == len(ids) == 70


def test_a_result_with_one_changed_bit_is_found(store: Store, ids: list[bytes]) -> None:
    key, slot = result_of(store, 40)
    record = bytearray(store.client.hget(key, slot))
    record[-5] ^= 1
    store.client.hset(key, slot, bytes(record))
    found = audit(store)
    assert (found.equal, found.differing.count, found.differing.attempts) == (
        69,
        1,
        [ids[40].hex()],
    )


def test_a_result_made_from_a_wrong_index_entry_is_found_although_the_index_agrees_with_it(
    store: Store,
) -> None:
    publish(store, GAD_7_DOUBLED)
    doubled = store.index.read("gad-7", 1)
    store.client.flushall()
    publish(store)
    store.client.hset(store.keys.index, "gad-7/1", doubled)
    ids = submit(store, attempt())
    BatchScorer(store.results, store.index, store.history).score(ids[0])
    assert audit(store).differing.attempts == [ids[0].hex()]


def test_a_missing_or_changed_attempt_is_found_by_its_result(
    store: Store, ids: list[bytes]
) -> None:
    key, slot = record_in(store, store.keys.attempts(0), 4)
    store.client.hdel(key, slot - 1)
    store.client.hset(key, slot, store.client.hget(key, slot)[:-1])
    found = audit(store)
    assert found.differing.count == 2
    assert not found.is_sound
    assert set(found.differing.attempts) == {
        "the attempt that arrived as number 3",
        "the attempt that arrived as number 4",
    }
    assert found.equal == len(ids) - 2


def test_a_list_with_omissions_repetitions_or_additions_is_found(
    store: Store, ids: list[bytes]
) -> None:
    log = store.keys.commit_log(1, 0)
    whole = store.client.get(log)
    assert len(whole) == ARRIVAL_BYTES * len(ids)
    store.client.set(log, whole[ARRIVAL_BYTES:])
    assert audit(store).unlisted == 1
    store.client.set(log, whole + whole[: 2 * ARRIVAL_BYTES])
    assert audit(store).listed_twice == 2
    store.client.set(log, whole + (12345).to_bytes(ARRIVAL_BYTES, "big"))
    assert audit(store).listed_without_result == 1


def test_a_scoring_without_its_document_cannot_be_checked(store: Store, ids: list[bytes]) -> None:
    store.client.hdel(store.keys.instrument("gad-7"), "doc:1")
    found = audit(store)
    assert (found.equal, found.unexplained.count) == (35, 35)
    assert len(found.unexplained.attempts) == 20


def test_failed_attempts_and_results_of_another_engine_are_counted_not_compared(
    store: Store, ids: list[bytes]
) -> None:
    failing = submit(store, attempt(b"\x01"), attempt(revision=9))
    BatchScorer(store.results, store.index, store.history).score(b"".join(failing))
    key, slot = result_of(store, 5)
    record = store.client.hget(key, slot)
    store.client.hset(key, slot, record[:1] + (ENGINE_VERSION + 1).to_bytes(2, "big") + record[3:])
    found = audit(store)
    assert (found.equal, found.failed, found.other_engine) == (len(ids) - 1, 2, 1)
    assert found.is_sound


def test_a_valid_attempt_marked_as_failed_is_found(store: Store, ids: list[bytes]) -> None:
    failing = submit(store, attempt(b"\x09" * 7), attempt(b"\x01"))
    BatchScorer(store.results, store.index, store.history).score(b"".join(failing))
    assert audit(store).is_sound, "one has answers that the form does not have, one too few"
    for arrival in (3, 60):
        key, slot = result_of(store, arrival)
        store.client.hset(key, slot, failure_record(ENGINE_VERSION, "CorruptAttempt", b"comm"))
    found = audit(store)
    assert (found.equal, found.failed, found.failed_though_sound.count) == (len(ids) - 2, 4, 2)
    assert found.failed_though_sound.attempts == [ids[3].hex(), ids[60].hex()]
    assert not found.is_sound


def test_the_audit_does_not_use_the_index(store: Store, ids: list[bytes]) -> None:
    store.client.delete(store.keys.index, store.keys.index_changes, store.keys.index_change)
    assert audit(store).equal == len(ids)
