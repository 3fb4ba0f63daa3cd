"""The resultWatcher's batches on a real server.

Every attempt is scored or fails, without delaying others.
"""

import secrets
from typing import Any

import numpy as np
import pytest
from tests.integration.stores import Store
from tests.integration.watchers.assessing import GAD_7, GAD_7_DOUBLED, attempt, publish, submit

from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ENGINE_VERSION, decode_result
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.result_watcher.attempt_sweep import sweep_attempts
from stanine.result_watcher.batch_scorer import BatchScorer, UnindexedBatchError
from stanine.store.audit import Auditor
from stanine.store.check import due_entries
from stanine.store.records import TIME_BYTES
from stanine.store.result_layout import SCORED


@pytest.fixture
def scorer(store: Store) -> BatchScorer:
    return BatchScorer(store.results, store.index, store.history)


def result(store: Store, attempt_id: bytes) -> Any:
    return store.result(attempt_id)


def test_a_batch_of_two_instruments_is_scored_together(store: Store, scorer: BatchScorer) -> None:
    publish(store)
    publish(store, {**GAD_7, "metadata": {"name": "other"}})
    ids = submit(store, attempt(number=1), attempt(number=2), attempt(number=1, participant="p"))
    tally = scorer.score(b"".join(ids))
    assert (tally.scored, tally.failed) == (3, 0)
    entry = store.index.entries.newest("gad-7")
    assert entry is not None
    stored = result(store, ids[0])
    assert stored.kind == SCORED
    assert decode_result(stored.body, entry).scales["anxiety"].raw == 7.0
    ((listed, _, _),) = store.results_of_participant("p").items
    assert listed.id == ids[2]


def test_a_batch_that_runs_twice_changes_nothing(store: Store, scorer: BatchScorer) -> None:
    publish(store)
    ids = submit(store, attempt(), attempt())
    scorer.score(b"".join(ids))
    tally = scorer.score(b"".join(ids + ids))
    assert (tally.scored, tally.already) == (0, 2)
    assert len(store.results_of().items) == 2


def test_unscorable_attempts_fail_with_a_reason_without_delaying_others(
    store: Store, scorer: BatchScorer
) -> None:
    publish(store)
    good, short, nobody, future = submit(
        store, attempt(), attempt(b"\x01"), attempt(number=9), attempt(revision=2)
    )
    tally = scorer.score(b"".join([short, nobody, future, good]))
    assert (tally.scored, tally.failed) == (1, 3)
    assert result(store, good).kind == SCORED
    reasons = [result(store, each).failure for each in (short, nobody, future)]
    assert reasons == ["CorruptAttempt", "InstrumentMissing", "RevisionMissing"]


def test_a_record_that_cannot_be_read_fails_alone(store: Store, scorer: BatchScorer) -> None:
    publish(store)
    good, bad, worse = submit(store, attempt(), attempt(participant="p"), attempt())
    records = store.client.hmget(store.keys.attempts(0), [1, 2])
    store.client.hset(store.keys.attempts(0), "1", records[0][:-1])
    store.client.hset(
        store.keys.attempts(0),
        "2",
        records[1][:TIME_BYTES] + b"\x09" + records[1][TIME_BYTES + 1 :],
    )
    tally = scorer.score(b"".join([good, bad, worse]))
    assert (tally.scored, tally.failed) == (1, 2)
    assert [result(store, each).failure for each in (bad, worse)] == ["CorruptAttempt"] * 2


def test_an_attempt_that_the_engine_cannot_score_fails_alone(
    store: Store, scorer: BatchScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store)
    ids = submit(store, attempt(), attempt(b"\x02" * 7), attempt())
    score = Kernel.score

    def choke(
        self: Kernel, codes: "np.ndarray[Any, np.dtype[np.uint8]]", attributes: Any = None
    ) -> Any:
        if (codes == 2).any():
            raise ValueError("choked")
        return score(self, codes, attributes)

    monkeypatch.setattr(Kernel, "score", choke)
    tally = scorer.score(b"".join(ids))
    assert (tally.scored, tally.failed) == (2, 1)
    assert result(store, ids[1]).failure == "NotScorable"


def test_attempts_without_an_index_entry_wait_while_the_others_are_scored(
    store: Store, scorer: BatchScorer
) -> None:
    publish(store)
    publish(store, {**GAD_7, "metadata": {"name": "later"}}, index=False)
    good, later = submit(store, attempt(number=1), attempt(number=2))
    with pytest.raises(UnindexedBatchError):
        scorer.score(good + later)
    assert result(store, good).kind == SCORED
    assert result(store, later) is None
    IndexBuilder(store.history, store.index, ENGINE_VERSION).build(store.history.names())
    scorer.score(good + later)
    assert result(store, later).kind == SCORED


def test_an_attempt_is_scored_by_the_newest_scoring_of_the_form_it_answered(
    store: Store, scorer: BatchScorer
) -> None:
    publish(store)
    publish(store, GAD_7_DOUBLED)
    (first,) = submit(store, attempt(revision=1))
    scorer.score(first)
    stored = result(store, first)
    assert stored.scoring_revision == 2
    entry = store.index.entries.answered("gad-7", 1)
    assert entry is not None
    assert decode_result(stored.body, entry).scales["anxiety"].raw == 14.0


def test_a_message_about_a_missing_attempt_is_ignored(store: Store, scorer: BatchScorer) -> None:
    publish(store)
    assert scorer.score(secrets.token_bytes(16)).unknown == 1


@pytest.mark.parametrize("step", ["load", "commit"])
def test_a_server_that_returns_with_other_data_causes_no_wrong_result(
    store: Store, scorer: BatchScorer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The other data has attempts with the same arrival numbers, and another scoring."""
    publish(store)
    lost = submit(store, *[attempt(b"\x00" * 7) for _ in range(40)])
    here: list[bytes] = []
    done = getattr(store.results, step)

    def replaced(*args: Any) -> Any:
        if here:
            return done(*args)
        made = done(*args) if step == "load" else None
        store.client.flushdb()
        publish(store, GAD_7_DOUBLED)
        here.extend(submit(store, *[attempt(b"\x03" * 7) for _ in range(40)]))
        return made if step == "load" else done(*args)

    monkeypatch.setattr(store.results, step, replaced)
    tally = scorer.score(b"".join(lost))
    assert (tally.scored, tally.failed, tally.already + tally.unknown) == (0, 0, 40)
    assert [result(store, each) for each in here] == [None] * 40
    tally = scorer.score(b"".join(here))
    assert (tally.scored, tally.failed) == (40, 0)
    entry = store.index.entries.newest("gad-7")
    assert entry is not None
    for each in here:
        assert decode_result(result(store, each).body, entry).scales["anxiety"].raw == 42.0


def test_two_results_of_one_call_have_one_commit_and_those_of_two_calls_two(
    store: Store, scorer: BatchScorer
) -> None:
    publish(store)
    one, other, later = submit(store, attempt(), attempt(), attempt())
    scorer.score(one + other)
    scorer.score(later)
    assert result(store, one).commit == result(store, other).commit != result(store, later).commit


def test_the_sweep_requeues_lost_attempts_and_fails_undeliverable_ones(
    store: Store, scorer: BatchScorer
) -> None:
    publish(store)
    ids = submit(store, attempt(), attempt())
    store.client.delete(store.outbox.stream)
    assert sweep_attempts(store.sweep, store.results, None, 2).requeued == 2
    assert store.client.xlen(store.outbox.stream) == 2
    scorer.score(ids[0])
    for _ in range(2):
        store.client.delete(store.outbox.stream)
        swept = sweep_attempts(store.sweep, store.results, None, 2)
    assert (swept.requeued, swept.failed) == (0, 1)
    assert result(store, ids[1]).failure == "NotDeliverable"
    assert result(store, ids[0]).kind == SCORED


def test_a_revision_is_scored_by_the_newest_scoring_of_its_structure_whatever_lies_between(
    store: Store,
) -> None:
    """Revision 1 has a wrong scoring; 2 and 3 have another structure; 4 has that of 1 and the right scoring."""
    spec = GAD_7["spec"]
    other = {**GAD_7, "spec": {**spec, "attributes": [{"id": "sex", "values": ["female", "male"]}]}}
    relabelled = {**other, "spec": {**other["spec"], "title": "Another title"}}
    publish(store, GAD_7_DOUBLED)
    before = submit(store, attempt(revision=1))
    publish(store, other)
    publish(store, relabelled)
    assert store.history.history("gad-7").forms == (1, 2, 2)  # type: ignore[union-attr]
    publish(store)
    history = store.history.history("gad-7")
    assert history is not None
    assert (history.forms, history.spans(1)) == ((1, 2, 2, 1), ((1, 1), (4, 4)))
    store.index.refresh()
    newest = store.index.entries.newest("gad-7")
    assert newest is not None
    assert (newest.form, newest.revision, newest.spans) == (1, 4, ((1, 1), (4, 4)))
    assert [store.index.entries.answered("gad-7", n) == newest for n in (1, 2, 3, 4, 5)] == [
        True, False, False, True, False,
    ]  # fmt: skip
    ids = submit(store, attempt(revision=1), attempt(revision=2), attempt(revision=4))
    BatchScorer(store.results, store.index, store.history).score(b"".join(before + ids))
    for each, revision in zip(before + ids, (4, 4, 3, 4), strict=True):
        result = store.result(each)
        assert result is not None
        assert result.scoring_revision == revision
    assert Auditor(store.client, store.history, store.sweep, store.keys).audit().is_sound
    assert due_entries(store.history, store.index, ENGINE_VERSION) == []
