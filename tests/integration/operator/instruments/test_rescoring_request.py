"""The request of an Instrument to score its attempts again, on a real server; steps are done by calls."""

import secrets
from typing import Any

from tests.integration.operator.contexts import Environment, ready
from tests.integration.operator.instruments.test_reconcile import (
    NAME,
    index,
    server_of,
    spec_of,
)

from stanine.messages import RESCORE, RUN_ID_BYTES, SCORE_ATTEMPTS, Outbox
from stanine.result_watcher.batch_scorer import BatchScorer
from stanine.result_watcher.rescorer import Rescorer
from stanine.store import load_library
from stanine.store.attempts import Submission, read_submitted, submit_call
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.records import RANDOM_BYTES
from stanine.store.rescoring import Rescorings, StartOutcome
from stanine.store.results import Results
from stanine_operator.controller.resource import Resource


def apply(environment: Environment, token: str = "", *, dry_run: bool = False, **document: Any) -> Resource:  # fmt: skip
    more: dict[str, Any] = {"redisConfigRef": {"name": "default"}}
    if token:
        more["rescore"] = {"token": token, "dryRun": dry_run}
    return environment.put("Instrument", NAME, **spec_of(**document), **more)


class ResultWatcher:
    """The resultWatcher's work."""

    def __init__(self, environment: Environment) -> None:
        server = server_of(environment)
        self.client: Any = server.client
        self.keys, library = server.keys, load_library()
        outbox = Outbox(
            server.broker.ready_key(RESCORE.queue),
            server.broker.head(RESCORE.queue, RESCORE.actor),
        )
        self.history = InstrumentHistory(self.client, self.keys)
        results = Results(self.client, library, self.keys, outbox)
        self._outbox = outbox
        self._scorer = BatchScorer(results, Index(self.client, library, self.keys), self.history)
        self.rescorings = Rescorings(self.client, library, self.keys, outbox)
        self._rescorer = Rescorer(self.rescorings, results, self.history)

    def score_one(self) -> None:
        """Submit an attempt as the API does, and score it."""
        assert SCORE_ATTEMPTS.queue == RESCORE.queue
        one = Submission(1, 1, bytes(3), secrets.token_bytes(16), secrets.token_bytes(RANDOM_BYTES))
        keys, args = submit_call(self.keys, self._outbox, [one], b"", 64)
        reply = load_library().call(self.client, "submit", keys, args)
        self._scorer.score(read_submitted([one], reply)[0].id)

    def rescore(self) -> None:
        while running := self.rescorings.running():
            self._rescorer.do(running[0].step)


def published(environment: Environment) -> ResultWatcher:
    """An indexed instrument with three results, then corrected and indexed."""
    resource = apply(environment)
    environment.reconcile(resource)
    index(environment)
    environment.reconcile(resource)
    watcher = ResultWatcher(environment)
    for _ in range(3):
        watcher.score_one()
    environment.reconcile(apply(environment, reverse=True))
    index(environment)
    return watcher


def test_a_new_token_scores_once_and_the_status_has_progress_and_outcome(
    environment: Environment,
) -> None:
    watcher = published(environment)
    resource = apply(environment, "fix-1", reverse=True)
    begun = environment.reconcile(resource)
    assert begun.fields["rescoring"] == {
        "token": "fix-1",
        "outcome": "Running",
        "done": 0,
        "total": 3,
    }
    assert (ready(begun)[0], begun.settled) == (True, False)
    run = watcher.rescorings.read(1)
    assert run is not None
    assert watcher.history.history(NAME).revision == 2  # type: ignore[union-attr]
    watcher.rescore()
    done = environment.reconcile(resource)
    assert done.fields["rescoring"] == {
        "token": "fix-1", "outcome": "Completed", "done": 3, "total": 3, "changed": 3,
    }  # fmt: skip
    assert ([event.reason for event in done.events], done.settled) == (["Rescored"], True)
    again = environment.reconcile(resource)
    assert (again.fields["rescoring"], again.events) == (done.fields["rescoring"], ())
    assert watcher.rescorings.read(1).id == run.id  # type: ignore[union-attr]


def test_a_token_that_came_with_the_resource_starts_nothing(environment: Environment) -> None:
    watcher = published(environment)
    resource = apply(environment, "fix-1", reverse=True)
    environment.lose_status(resource)
    outcome = environment.reconcile(resource)
    assert outcome.fields["rescoring"] == {"token": "fix-1", "outcome": "NotExecuted"}
    assert "RescoredNot" in [event.reason for event in outcome.events]
    assert watcher.rescorings.read(1) is None
    environment.reconcile(resource)
    assert watcher.rescorings.read(1) is None


def test_a_request_waits_for_the_index_and_for_another_run(environment: Environment) -> None:
    watcher = published(environment)
    resource = apply(environment, "fix-1", dry_run=True, title="Other", reverse=True)
    waiting = environment.reconcile(resource)
    assert waiting.fields["rescoring"] == {"token": "fix-1", "outcome": "Waiting"}
    index(environment)
    started = watcher.rescorings.start(
        NAME, watcher.history, run=secrets.token_bytes(RUN_ID_BYTES), token="api", dry_run=False
    )
    assert started is StartOutcome.STARTED
    waiting = environment.reconcile(resource)
    assert (waiting.fields["rescoring"], waiting.settled) == (
        {"token": "fix-1", "outcome": "Waiting"},
        False,
    )
    watcher.rescore()
    assert environment.reconcile(resource).fields["rescoring"] == {
        "token": "fix-1", "outcome": "Running", "done": 0, "total": 6,
    }  # fmt: skip


def test_a_used_token_with_another_dry_run_is_a_conflict(environment: Environment) -> None:
    watcher = published(environment)
    environment.reconcile(apply(environment, "fix-1", dry_run=True, reverse=True))
    watcher.rescore()
    outcome = environment.reconcile(apply(environment, "fix-1", reverse=True))
    assert outcome.fields["rescoring"] == {"token": "fix-1", "outcome": "TokenConflict"}
