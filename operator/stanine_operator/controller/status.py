"""What a status becomes after a turn, and whether that is worth writing: pure. Called by turns.py.

Everything watches the API server, and each write goes to etcd and to all of them. So a status is written only if it differs, and what
moves by itself (depths, ages, memory) is no reason to write more than once in five minutes, or in one minute where it is of another
order: nobody who looks at a queue is told of no messages where there are thousands.
"""

from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.conditions import (
    RECONCILIATION_PAUSED,
    find_condition,
    merge_conditions,
    transitions,
)
from stanine_operator.controller.reconcile_result import Condition

Status = Mapping[str, Any]

#: Seconds between two writes for nothing but figures and wordings: three in a quarter of an hour at the most.
FIGURES_INTERVAL = 330.0
#: Seconds between two writes for a figure of another order: no more than one a turn.
MAGNITUDES_INTERVAL = 30.0
#: Below this the order of a figure is the same whatever it is: queues at work have a few messages at one look and none at the next.
SMALL = 100


def compose_status(
    old: Status,
    conditions: tuple[Condition, ...],
    *,
    generation: int,
    now: str,
    fields: Mapping[str, object] | None,
) -> dict[str, Any]:
    """Return the whole status. `fields` None: the turn did not get far enough to know; what was known stays, as do other conditions."""
    # A status is composed only where nothing is paused by annotation, so that condition ends here.
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
    old: Status, condition: Condition, *, generation: int, now: str
) -> dict[str, Any]:
    """Return the status with one condition judged and everything else left as it is."""
    conditions = merge_conditions(
        old.get("conditions") or (), (condition,), generation=generation, now=now, keep_others=True
    )
    spoken, others = conditions[:1], conditions[1:]
    return {**old, "conditions": others + spoken}


def must_write(old: Status, new: Status, *, volatile: frozenset[str], since_written: float) -> bool:
    """Tell whether a status must be written now. `since_written`: seconds since this operator last wrote it (infinite: never)."""
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
    """Return the merge patch (RFC 7386) that turns one into the other. Lists, and so the conditions, are replaced as a whole."""
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
    """Return what the summary says; None if it says nothing."""
    condition = find_condition(status.get("conditions") or (), "Ready")
    return None if condition is None else {"True": True, "False": False}.get(condition["status"])


def changed_conditions(
    old: Status, new: Status
) -> list[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]:
    """Return (before, after) of the conditions whose status or reason changed."""
    return transitions(old.get("conditions") or (), new.get("conditions") or ())


def _magnitude(figure: object) -> int:
    """Return the number of a figure's digits; 0 for a small one, and for what is no whole number."""
    return len(str(figure)) if isinstance(figure, int) and figure >= SMALL else 0


def _stable_part(status: Status, volatile: frozenset[str]) -> dict[str, Any]:
    """Return what does not move by itself; of conditions, all but the wording."""
    steady = {name: value for name, value in status.items() if name not in volatile}
    conditions = steady.get("conditions") or ()
    steady["conditions"] = [
        {name: value for name, value in condition.items() if name != "message"}
        for condition in conditions
    ]
    return steady
