"""Merge conditions into metav1.Condition lists. Pure; called when a status is composed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
    merged = [
        _condition(before.get(condition.type), condition, generation, now)
        for condition in conditions
    ]
    if keep_others:
        spoken = {condition["type"] for condition in merged}
        merged += [dict(condition) for condition in old if condition["type"] not in spoken]
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


def _condition(
    before: ConditionFields | None, condition: ResourceCondition, generation: int, now: str
) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[condition.status]
    since = (
        before.get("lastTransitionTime")
        if before is not None and before.get("status") == status
        else None
    )
    message = (
        condition.message
        if len(condition.message) <= MAX_MESSAGE
        else condition.message[: MAX_MESSAGE - 1] + "…"
    )
    return {
        "type": condition.type,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
        "reason": condition.reason or "Unknown",
        "message": message,
    }
