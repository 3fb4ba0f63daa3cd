"""Make conditions of a problem, and merge conditions into metav1.Condition lists. Pure.

Called by reconciler.py, and when a status is composed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stanine_operator.controller.kinds import KindHandler
from stanine_operator.controller.problems import OperatorProblem, is_unreachable
from stanine_operator.controller.reconcile_result import ResourceCondition

#: Maximum length of a condition's message in characters (metav1.Condition allows 32,768).
MAX_MESSAGE = 32_000
#: Reason of the condition Paused if the annotation pauses reconciliation. A Queue's own Paused has other reasons.
RECONCILIATION_PAUSED = "ReconciliationPaused"

ConditionFields = Mapping[str, Any]


def merge_conditions(
    old: Sequence[ConditionFields],
    conditions: Iterable[ResourceCondition],
    *,
    generation: int,
    now: str,
    keep_others: bool = False,
) -> list[dict[str, Any]]:
    """Return the complete list of conditions, in the order of `conditions`.

    lastTransitionTime changes only with the status; observedGeneration is `generation`. `now` is RFC 3339. With
    `keep_others`, existing conditions of other types are kept unchanged because they were not evaluated.
    """
    before = {condition["type"]: condition for condition in old}
    merged: list[dict[str, Any]] = []
    for condition in conditions:
        status = {True: "True", False: "False", None: "Unknown"}[condition.status]
        earlier = before.get(condition.type, {})
        since = earlier.get("lastTransitionTime") if earlier.get("status") == status else None
        message = condition.message
        if len(message) > MAX_MESSAGE:
            message = message[: MAX_MESSAGE - 1] + "…"
        merged.append(
            {
                "type": condition.type,
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": since or now,
                "reason": condition.reason or "Unknown",
                "message": message,
            }
        )
    if keep_others:
        spoken = {condition["type"] for condition in merged}
        merged += [dict(kept) for kept in old if kept["type"] not in spoken]
    return merged


def find_condition(conditions: Iterable[ConditionFields], kind: str) -> ConditionFields | None:
    """Return the condition of a type, or None."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def transitions(
    old: Iterable[ConditionFields], new: Iterable[ConditionFields]
) -> list[tuple[ConditionFields | None, ConditionFields]]:
    """Return (before, after) of every condition whose status or reason changed."""
    before = {condition["type"]: condition for condition in old}
    return [
        (earlier, condition)
        for condition in new
        if (earlier := before.get(condition["type"])) is None
        or (earlier.get("status"), earlier.get("reason"))
        != (condition["status"], condition["reason"])
    ]


def failure_conditions(
    kind: KindHandler, status: Mapping[str, Any], problem: OperatorProblem
) -> tuple[ResourceCondition, ...]:
    """Return the conditions after a problem.

    Ready (and the kind's reachability condition) is False; other conditions keep their last state, or are Unknown if
    they have none.
    """
    known = {condition["type"] for condition in status.get("conditions") or ()}
    affected = {"Ready"}
    if kind.reachable is not None and is_unreachable(problem.reason):
        affected.add(kind.reachable)
    return tuple(
        ResourceCondition(name, False, problem.reason, problem.message)
        if name in affected
        else ResourceCondition(
            name, None, "NotReached", f"Not evaluated yet: see Ready ({problem.reason})."
        )
        for name in kind.conditions
        if name in affected or name not in known
    )
