"""Runs of re-scoring on a real server: their start, their steps, and what they leave in lists and histories."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.stores import Store
from tests.integration.watchers.assessing import GAD_7, GAD_7_DOUBLED, attempt, publish, submit

from stanine.domain.statistics.rescoring import decode_changes, report_of
from stanine.messages import RUN_ID_BYTES, RescoringStep, split_rescoring_steps
from stanine.result_watcher import rescorer as rescorer_module
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.result_watcher.rescorer import Rescorer
from stanine.result_watcher.rescoring_sweep import sweep_rescorings
from stanine.store import load_library
from stanine.store.audit import Auditor
from stanine.store.blocks import block_records
from stanine.store.erasure import Erasure
from stanine.store.errors import LostCursorError
from stanine.store.invitations import Invitations
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import RANDOM_BYTES
from stanine.store.rescoring import Rescoring, Rescorings, StartOutcome
from stanine.store.result_layout import ERASED, FAILED, SCORED, StoredResult, failure_record
from stanine.store.secret import TokenSecrets
from stanine.store.sessions import Sessions


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 16 entries: a run of 70 attempts has five."""
    monkeypatch.setattr(rescorer_module, "STEP_ENTRIES", 16)


def rescorings(store: Store) -> Rescorings:
    return Rescorings(store.client, load_library(), store.keys, store.outbox)


def rescorer(store: Store) -> Rescorer:
    return Rescorer(rescorings(store), store.results, store.history)


def start(store: Store, *, dry_run: bool = False, token: str | None = None) -> StartOutcome:
    return rescorings(store).start(
        "gad-7", store.history, run=secrets.token_bytes(RUN_ID_BYTES), token=token or secrets.token_hex(4), dry_run=dry_run
    )  # fmt: skip


def run(store: Store) -> Rescoring:
    found = rescorings(store).read(1)
    assert found is not None
    return found


def finish(store: Store) -> Rescoring:
    """Do the due steps until the run ends."""
    doing = rescorer(store)
    while run(store).state == "Running":
        doing.do(run(store).step)
    return run(store)


def score(store: Store, ids: list[bytes]) -> None:
    BatchScorer(store.results, store.index, store.history).score(b"".join(ids))


def result(store: Store, attempt_id: bytes) -> StoredResult:
    found = store.result(attempt_id)
    assert found is not None
    return found


def by_arrival(items: Any) -> list[bytes]:
    """Return the ids of listed attempts in order of arrival; an attempt listed twice is there twice."""
    return sorted([attempt.id for attempt, _, _ in items], key=lambda each: each[RANDOM_BYTES:])


def audit(store: Store) -> Any:
    return Auditor(store.client, store.history, store.sweep, store.keys).audit()


def erase(store: Store, attempt_id: bytes) -> bool:
    async def work(s: Any) -> bool:
        sessions = Sessions(s.client, s.writer, store.keys, store.outbox)
        invitations = Invitations(s.client, s.writer, store.keys)
        erasure = Erasure(
            s.client,
            s.writer,
            store.keys,
            s.records,
            sessions,
            invitations,
            TokenSecrets(s.client, load_library(), store.keys.erasure_secret),
            lambda: 1000,
        )
        return await erasure.attempt(attempt_id)

    return store.run(work)


@pytest.fixture
def ids(store: Store) -> list[bytes]:
    """Seventy attempts scored by the first revision; the newest one doubles the scores."""
    publish(store)
    made = submit(
        store,
        *[
            attempt(bytes([n % 4] * 7), participant=f"p{n % 10}" if n % 2 else None)
            for n in range(70)
        ],
    )
    score(store, made)
    publish(store, GAD_7_DOUBLED)
    return made


def test_a_run_replaces_exactly_the_results_that_change(store: Store, ids: list[bytes]) -> None:
    assert start(store) is StartOutcome.STARTED
    done = finish(store)
    report = report_of(decode_changes(done.report))
    assert (done.state, done.position, report.attempts) == ("Completed", 70, 70)
    # Attempts with the answer 0 keep the score 0, but no longer have a band.
    scales = report.scales
    assert report.changed == 70
    total = next(iter(scales.values()))
    assert total.bands_changed == 70
    assert total.values["raw"].changed == sum(1 for n in range(70) if n % 4)
    assert total.values["raw"].largest == 21.0
    assert {result(store, each).scoring_revision for each in ids} == {2}
    assert audit(store).is_sound
    assert audit(store).equal == 70


def test_a_second_run_changes_nothing(store: Store, ids: list[bytes]) -> None:
    start(store)
    finish(store)
    before = {each: result(store, each) for each in ids}
    start(store)
    report = report_of(decode_changes(finish(store).report))
    assert (report.attempts, report.changed) == (70, 0)
    assert {each: result(store, each) for each in ids} == before


def test_a_dry_run_gives_the_same_report_and_changes_nothing(
    store: Store, ids: list[bytes]
) -> None:
    before = {each: result(store, each) for each in ids}
    start(store, dry_run=True)
    dry = finish(store).report
    assert {each: result(store, each) for each in ids} == before
    assert len(store.results_of().items) == 70
    start(store)
    assert finish(store).report == dry


def test_a_step_that_runs_twice_counts_once_and_its_message_is_not_repeated(
    store: Store, ids: list[bytes]
) -> None:
    start(store)
    doing, first = rescorer(store), run(store).step
    assert doing.do(first).attempts == 16
    after = run(store)
    assert doing.do(first).attempts == 0
    assert doing.do(RescoringStep(1, bytes(RUN_ID_BYTES), after.position)).attempts == 0
    assert run(store) == after
    messages = [
        step
        for _, fields in store.client.xrange(store.outbox.stream)
        if len(fields[b"i"]) % 16
        for step in split_rescoring_steps(fields[b"i"])
    ]
    assert messages == [first, after.step]


def test_the_list_shows_each_attempt_once_and_the_new_result_after_every_cursor(
    store: Store, ids: list[bytes]
) -> None:
    begun = store.results_of(limit=30)
    everything = store.results_of(limit=1000)
    start(store)
    finish(store)
    rest = store.results_of(cursor=begun.next).items
    assert by_arrival(rest) == ids
    assert all(result.replaced == 1 for _, result, _ in rest)
    again = store.results_of(cursor=everything.next).items
    assert by_arrival(again) == ids
    assert by_arrival(store.results_of().items) == ids
    own = [each for n, each in enumerate(ids) if n % 2 and n % 10 == 3]
    listed = store.results_of_participant("p3").items
    assert by_arrival(listed) == own
    assert all(result.scoring_revision == 2 for _, result, _ in listed)


def test_earlier_results_are_kept_oldest_first(store: Store, ids: list[bytes]) -> None:
    first = result(store, ids[5])
    start(store)
    finish(store)
    second = result(store, ids[5])
    publish(store)
    start(store)
    finish(store)

    found = store.run(lambda s: s.records.read_all(ids[5]))
    assert found is not None
    _, current, earlier = found
    assert current is not None
    assert (current.scoring_revision, current.replaced) == (3, 2)
    assert [each.result for each in earlier] == [first, second]


def test_an_erasure_between_reading_and_committing_wins(
    store: Store, ids: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(store)
    finish(store)
    publish(store)
    start(store)
    reads: list[tuple[int, ...]] = []
    erased: list[bytes] = []
    read_log: Callable[..., Any] = Rescorings.log

    def read_then_erase(self: Rescorings, *args: int) -> Any:
        found = read_log(self, *args)
        reads.append(args)
        if found[0].position >= 70 and not erased:  # the entries that show current results
            erased.append(found[3].attempt_id)
            assert erase(store, erased[0])
        return found

    monkeypatch.setattr(Rescorings, "log", read_then_erase)
    done = finish(store)
    assert done.state == "Completed"
    assert len(reads) == len(set(reads)) + 1, "one step was read again"
    (attempt_id,) = erased
    assert result(store, attempt_id).kind == ERASED
    block, slot = divmod(int.from_bytes(attempt_id[RANDOM_BYTES:], "big"), BLOCK_SIZE)
    assert store.client.hlen(store.keys.history(block)) > 0
    assert not store.client.hexists(store.keys.history(block), slot)
    assert report_of(decode_changes(done.report)).attempts == 69
    assert attempt_id not in by_arrival(store.results_of().items)
    assert audit(store).is_sound


def test_cursors_stay_valid_after_an_erasure_of_a_rescored_attempt(
    store: Store, ids: list[bytes]
) -> None:
    page = store.results_of(limit=4)
    last = page.items[-1][0].id
    start(store)
    finish(store)
    assert erase(store, last)
    rest = by_arrival(store.results_of(cursor=page.next).items)
    assert rest == [each for each in ids if each != last]


def test_failed_attempts_that_can_be_scored_are_scored_and_others_stay(
    store: Store, ids: list[bytes]
) -> None:
    broken = submit(store, attempt(b"\x09" * 7))
    score(store, broken)
    failure = failure_record(2, "NotDeliverable", b"comm")
    records = block_records(store.client.hgetall(store.keys.results(1)))
    store.client.delete(store.keys.results(1))
    store.client.hset(store.keys.results(1), mapping={**records, 1: failure})
    start(store)
    report = report_of(decode_changes(finish(store).report))
    assert result(store, ids[33]).kind == SCORED
    assert result(store, broken[0]).kind == FAILED
    assert (report.had_failed, report.still_failed) == (1, 1)


def test_a_run_starts_once_per_token_and_alone(store: Store, ids: list[bytes]) -> None:
    assert start(store, token="a") is StartOutcome.STARTED
    begun = run(store)
    assert start(store, token="a") is StartOutcome.REPEATED
    assert start(store, token="b") is StartOutcome.RUNNING
    assert run(store) == begun
    finish(store)
    assert start(store, token="a") is StartOutcome.REPEATED
    assert start(store, token="b") is StartOutcome.STARTED


def test_a_run_needs_an_index_as_new_as_its_scoring(store: Store, ids: list[bytes]) -> None:
    publish(store, GAD_7, index=False)
    assert start(store) is StartOutcome.NOT_INDEXED
    assert rescorings(store).read(1) is None


def test_results_of_an_older_index_are_refused_once_a_run_has_started(
    store: Store, ids: list[bytes]
) -> None:
    late = submit(store, attempt(b"\x03" * 7))
    scorer = BatchScorer(store.results, store.index, store.history)
    scorer.score(ids[0])  # refreshes the index
    stale = store.index.entries.now
    publish(store)
    start(store)
    store.index.entries.now = stale
    load = store.results.load
    # The batch was loaded before the index changed.
    loaded = load(late)
    store.results.load = lambda ids: type(loaded)(loaded.records, stale.view)  # type: ignore[method-assign]
    scorer.score(late[0])
    assert result(store, late[0]).scoring_revision == 3


def test_a_lost_message_is_queued_again_and_a_run_that_cannot_go_on_fails(
    store: Store, ids: list[bytes]
) -> None:
    start(store)
    store.client.delete(store.outbox.stream)
    store.client.xadd(store.outbox.stream, {"h": "x", "i": "y"})
    newer = run(store).queued_at + 1
    assert sweep_rescorings(rescorings(store), run(store).queued_at, 3) == 0
    assert [sweep_rescorings(rescorings(store), newer + 10**9, 3) for _ in range(4)] == [1, 1, 1, 0]
    assert (run(store).state, run(store).reason) == ("Failed", "NotDeliverable")
    assert rescorings(store).running() == []


def test_a_cursor_of_a_lost_rescoring_is_noticed(store: Store, ids: list[bytes]) -> None:
    state = {key: store.client.dump(key) for key in store.client.scan_iter()}
    start(store)
    finish(store)
    at = store.results_of(limit=1000).next
    store.client.flushall()
    for key, dump in state.items():
        store.client.restore(key, 0, dump)
    with pytest.raises(LostCursorError):
        store.results_of(cursor=at)
