"""The one-shot request of an Instrument to score all its attempts again, and its status.

Called by the reconciliation of Instruments. A token starts one run; the run's record in Redis has it, and the status
reports it. A token that came with the resource starts nothing: the resource may be a copy of one that was deleted or
restored.
"""

import os
from typing import Any

import msgspec

from stanine.broker import QueueState
from stanine.domain.instruments.records import RescoreRequest
from stanine.domain.statistics.rescoring import decode_changes
from stanine.messages import RESCORE, RUN_ID_BYTES, Outbox
from stanine.store.instruments import InstrumentHistory
from stanine.store.rescoring import Rescoring, Rescorings, StartOutcome
from stanine_operator.controller.reconcile_result import EventSpec
from stanine_operator.redis_servers.connections import Server
from stanine_operator.redis_servers.libraries import store_library

#: Outcomes without a run.
WAITING, NOT_EXECUTED, TOKEN_CONFLICT = "Waiting", "NotExecuted", "TokenConflict"
_UNSETTLED = frozenset({WAITING, "Running"})
_REASONS = {
    NOT_EXECUTED: "the token existed when the resource was first reconciled. Set a new token to execute it.",
    TOKEN_CONFLICT: "the token was used for a re-scoring with another dryRun. Use a new token for every request.",
}


class RescoringStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a request; a field of the status."""

    token: str
    outcome: str
    done: int | None = None
    total: int | None = None
    changed: int | None = None
    reason: str | None = None

    @property
    def settled(self) -> bool:
        """Whether it needs no further reconciliation."""
        return self.outcome not in _UNSETTLED

    def as_field(self) -> dict[str, object]:
        """Return the status field."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        return fields

    def events(self, before: object) -> tuple[EventSpec, ...]:
        """Return the event of a new outcome. `before`: the field reported last."""
        if not self.settled or before == self.as_field():
            return ()
        once = f"rescore {self.token} {self.outcome}"
        if self.outcome == "Completed":
            text = f"rescore {self.token}: {self.changed} results change."
            return (EventSpec(False, "Rescored", text, once),)
        why = _REASONS.get(self.outcome, f"{self.reason}. Set a new token to run it again.")
        text = f"rescore {self.token}: {self.outcome}: {why}"
        return (EventSpec(True, "RescoredNot", text, once),)


def reconcile_rescoring(
    name: str, request: RescoreRequest, server: Server, status: dict[str, Any], *, is_indexed: bool
) -> RescoringStatus:
    """Start the requested re-scoring if its token is new, and return its state."""
    instruments = InstrumentHistory(server.client, server.keys)
    history = instruments.history(name)
    if history is None:
        return RescoringStatus(request.token, WAITING)
    rescorings = _rescorings(server)
    run = rescorings.read(history.number)
    if run is not None and run.token == request.token:
        return _state_of(run, request)
    before = status.get("rescoring")
    if isinstance(before, dict) and before.get("token") == request.token:
        known = msgspec.convert(before, RescoringStatus)
        if known.outcome != WAITING:
            return known
    elif not status.get("revision"):
        return RescoringStatus(request.token, NOT_EXECUTED)
    if not is_indexed or server.broker.state(RESCORE.queue) is QueueState.DRAINING:
        return RescoringStatus(request.token, WAITING)
    outcome = rescorings.start(
        name,
        instruments,
        run=os.urandom(RUN_ID_BYTES),
        token=request.token,
        dry_run=request.dry_run,
    )
    run = rescorings.read(history.number)
    if outcome not in {StartOutcome.STARTED, StartOutcome.REPEATED} or run is None:
        return RescoringStatus(request.token, WAITING)
    return _state_of(run, request)


def _state_of(run: Rescoring, request: RescoreRequest) -> RescoringStatus:
    if run.dry_run != request.dry_run:
        return RescoringStatus(request.token, TOKEN_CONFLICT)
    done = run.position
    if run.state == "Running":  # whole percents: few changes of the status
        done = run.total * (100 * done // max(1, run.total)) // 100
    changed = decode_changes(run.report).changed if run.state != "Running" else None
    return RescoringStatus(request.token, run.state, done, run.total, changed, run.reason)


def _rescorings(server: Server) -> Rescorings:
    broker = server.broker
    outbox = Outbox(broker.ready_key(RESCORE.queue), broker.head(RESCORE.queue, RESCORE.actor))
    return Rescorings(server.client, store_library(), server.keys, outbox)
