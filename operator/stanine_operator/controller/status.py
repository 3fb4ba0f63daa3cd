"""Compose a resource's status and decide whether it must be written. Pure; called by reconciler.py.

Many clients watch the API server, and each write goes to etcd and to all of them. A status is therefore written only
if it differs. Volatile fields (depths, ages, memory) cause at most one write in five minutes, or in half a minute if
their order of magnitude changes.
"""

from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.conditions import (
    RECONCILIATION_PAUSED,
    find_condition,
    merge_conditions,
)
from stanine_operator.controller.reconcile_result import ResourceCondition

Status = Mapping[str, Any]

#: Seconds between two writes for volatile fields and messages only: at most three in a quarter of an hour.
FIGURES_INTERVAL = 330.0
#: Seconds between two writes for a changed order of magnitude: at most one per reconciliation.
MAGNITUDES_INTERVAL = 30.0
#: Figures below this have the same order of magnitude: a busy queue alternates between zero and a few messages.
SMALL = 100


def compose_status(
    old: Status,
    conditions: tuple[ResourceCondition, ...],
    *,
    generation: int,
    now: str,
    fields: Mapping[str, object] | None,
) -> dict[str, Any]:
    """Return the complete status.

    `fields` None: they could not be determined; old fields and other conditions are kept.
    """
    # A status is composed only if the resource is not paused by annotation, so that condition is removed here.
    before = [
        condition
        for condition in old.get("conditions") or ()
        if condition.get("reason") != RECONCILIATION_PAUSED
    ]
    merged = merge_conditions(
        before, conditions, generation=generation, now=now, keep_others=fields is None
    )
    others = (
        {
            name: value
            for name, value in old.items()
            if name not in ("conditions", "observedGeneration")
        }
        if fields is None
        else fields
    )
    return {"observedGeneration": generation, "conditions": merged, **others}


def with_condition(
    old: Status, condition: ResourceCondition, *, generation: int, now: str
) -> dict[str, Any]:
    """Return the status with one condition set and everything else unchanged."""
    conditions = merge_conditions(
        old.get("conditions") or (), (condition,), generation=generation, now=now, keep_others=True
    )
    updated, others = conditions[:1], conditions[1:]
    return {**old, "conditions": others + updated}


def must_write(old: Status, new: Status, *, volatile: frozenset[str], since_written: float) -> bool:
    """Return whether a status must be written now.

    `since_written`: seconds since the last write (infinite: never).
    """
    if old == new:
        return False
    if since_written >= FIGURES_INTERVAL or _stable_part(old, volatile) != _stable_part(
        new, volatile
    ):
        return True
    return since_written >= MAGNITUDES_INTERVAL and any(
        _magnitude(old.get(name)) != _magnitude(new.get(name)) for name in volatile
    )


def make_patch(old: Status, new: Status) -> dict[str, Any]:
    """Return the merge patch (RFC 7386) from one status to another.

    Lists, including conditions, are replaced whole.
    """
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if name in old and before == value:
            continue
        patch[name] = (
            make_patch(before, value)
            if isinstance(before, Mapping) and isinstance(value, Mapping)
            else value
        )
    return patch


def is_ready(status: Status) -> bool | None:
    """Return the status of the condition Ready; None if it is Unknown or missing."""
    condition = find_condition(status.get("conditions") or (), "Ready")
    return None if condition is None else {"True": True, "False": False}.get(condition["status"])


def _magnitude(figure: object) -> int:
    """Return the number of digits of a figure; 0 for a small figure or another type."""
    return len(str(figure)) if isinstance(figure, int) and figure >= SMALL else 0


def _stable_part(status: Status, volatile: frozenset[str]) -> dict[str, Any]:
    """Return the status without volatile fields and without the messages of conditions."""
    steady = {name: value for name, value in status.items() if name not in volatile}
    conditions = steady.get("conditions") or ()
    steady["conditions"] = [
        {name: value for name, value in condition.items() if name != "message"}
        for condition in conditions
    ]
    return steady
