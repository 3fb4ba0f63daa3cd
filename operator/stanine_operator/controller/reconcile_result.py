"""What one turn for one resource came to. Returned by each kind's `reconcile` and `release`; written to the API server by the loop."""

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """One condition as decided; observedGeneration and lastTransitionTime are added when it is written."""

    type: str
    #: None: Unknown.
    status: bool | None
    #: CamelCase, specific, never empty.
    reason: str
    #: One sentence for people, with the remedy; no secret and nobody's answers.
    message: str = ""


class EventSpec(msgspec.Struct, frozen=True):
    """An event to post that is no transition of a condition (those are posted anyway)."""

    warning: bool
    reason: str
    message: str
    #: Not empty: posted once for each such text while the operator runs (for example a token).
    once: str = ""


class ReconcileResult(msgspec.Struct, frozen=True):
    """What `reconcile` found and did: the whole set of conditions, and all other fields of the status."""

    conditions: tuple[Condition, ...]
    #: All status fields other than conditions and observedGeneration, JSON values; one that is not named any more is removed.
    fields: dict[str, object] = {}
    #: For Prometheus, exact, by name: `stanine_resource_gauge{kind,namespace,name,gauge}`.
    gauges: dict[str, float] = {}
    events: tuple[EventSpec, ...] = ()
    #: False: something is under way; look again within 15 s.
    settled: bool = True


class FinalizeResult(msgspec.Struct, frozen=True):
    """What `release` of a resource that is being deleted came to. `done`: nothing is left to do and the finalizer goes."""

    done: bool
    events: tuple[EventSpec, ...] = ()
