"""What a Queue's spec means to the broker, and what its status says: pure."""

from typing import Any

from stanine.broker import QueueState
from stanine.broker.queue import QueueStats
from stanine.broker.settings import QueueSettings
from stanine.crds.queue import QueueSpec, broker_settings
from stanine_operator.controller.reconcile_result import Condition, ReconcileResult

#: Figures in a status have so many digits: it is read by people, and each write goes to everybody who watches.
DIGITS = 2
#: What a status keeps when the figures are not known.
_KEPT = ("purge", "requeueDead")
_MESSAGES = {
    QueueState.RUNNING: "It hands out what is ready.",
    QueueState.PAUSED: "It hands out nothing; what is in flight finishes, new work is taken.",
    QueueState.DRAINING: "It takes nothing new and works off what is there.",
}


def settings_of(spec: QueueSpec) -> QueueSettings:
    """Return the whole settings of a queue: what the spec leaves out has its default. Raises BrokerSettingsInvalid."""
    return QueueSettings(
        **{name: value for name, value in broker_settings(spec).items() if value is not None}
    )


def describe(stats: QueueStats, reported: dict[str, object]) -> ReconcileResult:
    """Return what is said of a queue that is as it should be. `told`: what became of its requests."""
    state = stats.state
    reason = "Drained" if stats.is_drained else state.value
    message = (
        "It takes nothing new, and nothing is left in it." if stats.is_drained else _MESSAGES[state]
    )
    figures = figures_of(stats)
    return ReconcileResult(
        conditions=(
            Condition("Ready", True, reason, message),
            Condition(
                "Bootstrapped",
                True,
                "Bootstrapped",
                "The queue is there and goes by this resource's settings.",
            ),
            Condition("Paused", state is QueueState.PAUSED, state.value, _MESSAGES[state]),
        ),
        fields={name: rounded(value) for name, value in figures.items()}
        | {"state": state.value}
        | reported,
        gauges={_snake(name): value for name, value in figures.items()},
    )


def describe_problem(
    reason: str, message: str, status: dict[str, Any], *, owned: bool = True
) -> ReconcileResult:
    """Return what is said of a queue that could not be made so. Not `owned`: another has it, and its figures are that one's to tell."""
    kept = status if owned else {name: status[name] for name in _KEPT if name in status}
    return ReconcileResult(
        conditions=(
            Condition("Ready", False, reason, message),
            Condition("Bootstrapped", False, reason, message),
            Condition("Paused", None, reason, "What the queue is reported to do is not known."),
        ),
        fields={
            name: value
            for name, value in kept.items()
            if name not in ("conditions", "observedGeneration")
        },
    )


def figures_of(stats: QueueStats) -> dict[str, float]:
    """Return the exact figures of a queue by the names of the status fields; seconds are the queue's own clock's."""
    oldest = 0.0 if stats.oldest_ms is None else max(0, stats.now_ms - stats.oldest_ms) / 1000
    return {
        "ready": stats.ready,
        "delayed": stats.delayed,
        "inFlight": stats.in_flight,
        "dead": stats.dead,
        "oldestSeconds": oldest,
        "consumers": stats.consumers,
    }


def rounded(value: float) -> int:
    """Return a figure for the status: whole, of two digits."""
    whole = round(value)
    excess = len(str(whole)) - DIGITS
    return whole if excess <= 0 else round(whole, -excess)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
