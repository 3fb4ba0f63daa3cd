"""Conditions (metav1.Condition) from verdicts: pure. Called when a status is composed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stanine_operator.controller.reconcile_result import Verdict

#: Characters a condition's message may have (metav1.Condition allows 32,768).
MAX_MESSAGE = 32_000
#: The reason of the condition Paused when it is the annotation that pauses; a Queue's own Paused has others.
RECONCILIATION_PAUSED = "ReconciliationPaused"

Condition = Mapping[str, Any]


def merge_conditions(
    old: Sequence[Condition],
    verdicts: Iterable[Verdict],
    *,
    generation: int,
    now: str,
    keep_others: bool = False,
) -> list[dict[str, Any]]:
    """Return the whole list of conditions after these verdicts, in their order.

    lastTransitionTime changes with the status only; observedGeneration is the generation that was looked at. `now`: RFC 3339.
    With `keep_others`, conditions that no verdict speaks of stay as they were (what was not looked at is not judged).
    """
    before = {condition["type"]: condition for condition in old}
    merged = [
        _condition(before.get(verdict.type), verdict, generation, now) for verdict in verdicts
    ]
    if keep_others:
        spoken = {condition["type"] for condition in merged}
        merged += [dict(condition) for condition in old if condition["type"] not in spoken]
    return merged


def find_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """Return the condition of a type."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def transitions(
    old: Iterable[Condition], new: Iterable[Condition]
) -> list[tuple[Condition | None, Condition]]:
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
    before: Condition | None, verdict: Verdict, generation: int, now: str
) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[verdict.status]
    since = (
        before.get("lastTransitionTime")
        if before is not None and before.get("status") == status
        else None
    )
    message = (
        verdict.message
        if len(verdict.message) <= MAX_MESSAGE
        else verdict.message[: MAX_MESSAGE - 1] + "…"
    )
    return {
        "type": verdict.type,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
        "reason": verdict.reason or "Unknown",
        "message": message,
    }
