"""The server's own parameters: what is to be set, and what is said of it. Pure; called by turn.py.

A turn reads the wanted parameters, compares them normalised (`100mb` is 104857600), and sets those that differ with one CONFIG SET, which
a server takes or refuses as a whole. Whether a difference may be set is a matter of `managementPolicy` and `driftPolicy`:

    Apply, Correct   whatever differs is set
    Apply, Report    set once for each generation of the resource and each start of the server; what differs later is reported, and left
                     until spec.server asks for another value or the server starts again
    Observe          nothing is ever set; what differs is reported
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stanine.broker.connection.errors import PERMISSION_MISSING, ServerProblem
from stanine.crds.server_parameters import is_same
from stanine_operator.controller.conditions import find_condition
from stanine_operator.controller.reconcile_result import Condition
from stanine_operator.controller.resource import Resource
from stanine_operator.redis_configs.records import (
    Drift,
    ObservedParameters,
    Parameter,
    ParameterChange,
)

#: The condition of this part.
CONDITION = "ServerConfigured"
#: Reason of a difference that is only reported.
DRIFT_DETECTED = "DriftDetected"
#: Characters that are quoted of a server's own words.
QUOTED = 300
#: Where a server names the parameter it refuses.
_REFUSED_NAME = re.compile(r"argument '([a-z0-9-]{1,64})'|CONFIG SET - '([a-z0-9-]{1,64})'")


class Rules(msgspec.Struct, frozen=True):
    """What a turn may set."""

    observe: bool
    report: bool
    #: All was set before, for this generation of the resource and this start of the server.
    applied: bool = False
    #: Differences that the status tells of already, (name, wanted), since the server started.
    reported: frozenset[tuple[str, str]] = frozenset()


def read_rules(resource: Resource, *, observe: bool, report: bool, run_id: str) -> Rules:
    """Return what may be set, from what the status says of earlier turns."""
    condition = find_condition(resource.status.get("conditions") or (), CONDITION)
    if condition is None or resource.status.get("runId") != run_id:
        return Rules(observe, report)
    told = condition.get("reason") == DRIFT_DETECTED
    done = told or condition.get("status") == "True"
    listed: Sequence[Any] = resource.status.get("drift") or ()
    return Rules(
        observe,
        report,
        applied=done and condition.get("observedGeneration") == resource.generation,
        reported=frozenset((each["name"], each["wanted"]) for each in listed)
        if told
        else frozenset(),
    )


def find_drift(wanted: Sequence[Parameter], seen: ObservedParameters) -> tuple[Drift, ...]:
    """Return what is not as wanted, in the order wanted."""
    find_differences = []
    for parameter in wanted:
        found = seen.value(parameter.name)
        if found is None or not is_same(parameter.name, parameter.value, found):
            find_differences.append(Drift(parameter.name, parameter.value, found))
    return tuple(find_differences)


def choose_changes(drift: Sequence[Drift], rules: Rules) -> tuple[Parameter, ...]:
    """Return what to set, all at once. One parameter that the server does not know keeps all the others from being set."""
    if rules.observe or any(each.found is None for each in drift):
        return ()
    return tuple(Parameter(each.name, each.wanted) for each in drift if not _is_left(each, rules))


def parameters_condition(
    wanted: Sequence[Parameter], seen: ObservedParameters, rules: Rules
) -> Condition:
    """Return the condition of a turn that set nothing."""
    if seen.refusal is not None:
        return _refusal_condition(seen.refusal, rules)
    drift = find_drift(wanted, seen)
    unknown = [each.name for each in drift if each.found is None]
    if unknown:
        return _false(
            "InvalidParameter",
            f"this server does not know {_list(unknown)}: remove it from spec.server; nothing of it was set",
        )
    if drift:
        return _drift_condition(drift, rules)
    if not wanted:
        return Condition(CONDITION, True, "NothingDeclared", "spec.server names no parameter")
    return Condition(
        CONDITION,
        True,
        "AsDeclared",
        f"{len(wanted)} parameters of spec.server stand on the server",
    )


def change_condition(
    wanted: Sequence[Parameter], change: ParameterChange, rules: Rules
) -> Condition:
    """Return the condition of a turn that set something."""
    if change.refused is not None:
        problem, text = change.refused.problem, change.refused.text[:QUOTED]
        if problem == PERMISSION_MISSING or not problem.permanent:
            return _refusal_condition(problem, rules)
        return _false(
            "InvalidParameter",
            f"spec.server: {_named(text)}the server says: {text}; correct it; nothing of spec.server was set",
        )
    if change.kept:
        found = "; ".join(
            f"{each.name} is {each.found!r} after it was set to {each.wanted!r}"
            for each in change.kept
        )
        return _false(
            "InvalidParameter",
            f"spec.server: {found}: write what the server keeps; the values before were put back",
        )
    return parameters_condition(wanted, change.seen, rules)


def is_half_applied(
    changes: Sequence[Parameter],
    before: ObservedParameters,
    after: ObservedParameters,
    *,
    refused: bool,
) -> bool:
    """Tell whether the values before must be put back: a refused change left traces, or a taken one is not what the server keeps."""
    if refused:
        return any(before.value(each.name) != after.value(each.name) for each in changes)
    return bool(find_drift(changes, after))


def publish_drift(drift: Sequence[Drift]) -> list[dict[str, str]]:
    """Return `status.drift`."""
    return [{"name": each.name, "wanted": each.wanted, "found": each.found or ""} for each in drift]


def _is_left(drift: Drift, rules: Rules) -> bool:
    return rules.report and (rules.applied or (drift.name, drift.wanted) in rules.reported)


def _drift_condition(drift: Sequence[Drift], rules: Rules) -> Condition:
    remedy = (
        "managementPolicy is Observe, so nothing is set"
        if rules.observe
        else "driftPolicy is Report, so it is left; set it back, change spec.server, or use driftPolicy: Correct"
    )
    return _false(
        DRIFT_DETECTED,
        f"the server differs from spec.server in {_list([each.name for each in drift])}; {remedy}",
    )


def _refusal_condition(problem: ServerProblem, rules: Rules) -> Condition:
    if not problem.permanent:
        return _false(problem.reason, f"spec.server: {problem.remedy}")
    if rules.observe:
        return Condition(
            CONDITION,
            None,
            "UnsupportedByServer",
            "the server does not let us read its parameters: managementPolicy is Observe, so all else works",
        )
    return _false(
        "UnsupportedByServer",
        "the server refuses CONFIG to this user: allow it (+config|get +config|set),"
        " or, on a managed service, set spec.managementPolicy: Observe",
    )


def _named(text: str) -> str:
    found = _REFUSED_NAME.search(text)
    return f"{found[1] or found[2]}: " if found else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _false(reason: str, message: str) -> Condition:
    return Condition(CONDITION, False, reason, message)
