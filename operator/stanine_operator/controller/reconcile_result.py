"""Results of a kind's `reconcile` and `finalize`. The reconciler writes them to the API server."""

import msgspec


class ResourceCondition(msgspec.Struct, frozen=True):
    """One condition, without observedGeneration and lastTransitionTime (see conditions.py)."""

    type: str
    #: None: Unknown.
    status: bool | None
    #: CamelCase, specific, never empty.
    reason: str
    #: One sentence with the remedy, without secrets or people's answers.
    message: str = ""


class EventSpec(msgspec.Struct, frozen=True):
    """An Event to post in addition to those for condition transitions."""

    warning: bool
    reason: str
    message: str
    #: If not empty, the Event is posted once per text while the operator runs (for example a token).
    once: str = ""


class ReconcileResult(msgspec.Struct, frozen=True):
    """Result of a reconciliation: all conditions, and all other fields of the status."""

    conditions: tuple[ResourceCondition, ...]
    #: All status fields except conditions and observedGeneration, as JSON values; a field that is missing here is
    #: removed.
    fields: dict[str, object] = {}
    #: Exact figures for Prometheus by name: `stanine_resource_gauge{kind,namespace,name,gauge}`.
    gauges: dict[str, float] = {}
    events: tuple[EventSpec, ...] = ()
    #: False: work is in progress; requeue within 15 s.
    settled: bool = True


class FinalizeResult(msgspec.Struct, frozen=True):
    """Result of finalizing a deleted resource. `done`: the finalizer can be removed."""

    done: bool
    events: tuple[EventSpec, ...] = ()


def kept_result(reason: str, message: str) -> FinalizeResult:
    """Return the result for a deleted resource whose data in Redis is kept."""
    return FinalizeResult(
        done=True, events=(EventSpec(warning=True, reason=reason, message=message),)
    )
