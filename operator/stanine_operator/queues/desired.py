"""Desired settings of a queue and the status of a Queue. Pure; called by reconcile.py."""

from typing import Any

from stanine.broker import BrokerSettingsInvalid, QueueState
from stanine.broker.administration import QueueStats
from stanine.broker.bootstrap import Ownership, QueueDeclaration
from stanine.broker.connection.ownership import Owner
from stanine.broker.settings import QueueSettings
from stanine.crds.queue import QueueSpec, broker_settings
from stanine_operator.controller.figures import round_figure
from stanine_operator.controller.problems import INVALID_SPEC, OperatorProblem
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    ReconcileResult,
    ResourceCondition,
)
from stanine_operator.queues.requests import find_requests

#: Status fields that are kept if another resource owns the queue.
_KEPT = ("purge", "requeueDead")
_MESSAGES = {
    QueueState.RUNNING: "The queue delivers messages.",
    QueueState.PAUSED: "The queue delivers nothing; messages in flight finish, and new messages are accepted.",
    QueueState.DRAINING: "The queue accepts no new messages and delivers the remaining ones.",
}


def desired_queue(spec: QueueSpec, manager: Owner, gone: str = "") -> QueueDeclaration:
    """Return the settings, state and owner that a queue should have. Raises OperatorProblem InvalidSpec.

    `gone`: uid of a deleted owner that may be replaced.
    """
    given = {name: value for name, value in broker_settings(spec).items() if value is not None}
    try:
        settings = QueueSettings(**given)
    except BrokerSettingsInvalid as error:
        raise OperatorProblem(
            INVALID_SPEC, f"The queue's settings are invalid: {error}.", permanent=True
        ) from None
    tokens = {request.mark: request.token for request in find_requests(spec)}
    ownership = Ownership(
        manager,
        QueueState(spec.desired_state),
        gone,
        (tokens.get("purge", ""), tokens.get("requeue", "")),
    )
    return QueueDeclaration(spec.queue_name, settings, overwrite=True, ownership=ownership)


def describe(
    stats: QueueStats, reported: dict[str, object], events: tuple[EventSpec, ...] = ()
) -> ReconcileResult:
    """Return the result for a queue in its desired state.

    `reported` and `events`: status fields and Events of its requests.
    """
    state = stats.state
    reason = "Drained" if stats.is_drained else state.value
    message = (
        "The queue accepts no new messages and is empty." if stats.is_drained else _MESSAGES[state]
    )
    figures = figures_of(stats)
    return ReconcileResult(
        conditions=(
            ResourceCondition("Ready", True, reason, message),
            ResourceCondition(
                "Bootstrapped",
                True,
                "Bootstrapped",
                "The queue exists and has the settings of this resource.",
            ),
            ResourceCondition("Paused", state is QueueState.PAUSED, state.value, _MESSAGES[state]),
        ),
        fields={name: round_figure(value) for name, value in figures.items()}
        | {"state": state.value}
        | reported,
        gauges=figures,
        events=events,
    )


def describe_problem(
    reason: str, message: str, status: dict[str, Any], *, owned: bool = True
) -> ReconcileResult:
    """Return the result for a queue that could not be reconciled.

    Not `owned`: another resource owns the queue and reports its figures.
    """
    kept = status if owned else {name: status[name] for name in _KEPT if name in status}
    return ReconcileResult(
        conditions=(
            ResourceCondition("Ready", False, reason, message),
            ResourceCondition("Bootstrapped", False, reason, message),
            ResourceCondition("Paused", None, reason, "The state of the queue is unknown."),
        ),
        fields={
            name: value
            for name, value in kept.items()
            if name not in ("conditions", "observedGeneration")
        },
    )


def figures_of(stats: QueueStats) -> dict[str, float]:
    """Return the exact figures of a queue by status field; the server's clock measures seconds."""
    oldest = 0.0 if stats.oldest_ms is None else max(0, stats.now_ms - stats.oldest_ms) / 1000
    return {
        "ready": stats.ready,
        "delayed": stats.delayed,
        "inFlight": stats.in_flight,
        "dead": stats.dead,
        "oldestSeconds": oldest,
        "consumers": stats.consumers,
    }
