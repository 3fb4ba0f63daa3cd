"""The server's parameters: which to set, and the condition ServerConfigured. Pure.

A reconciliation reads the wanted parameters, compares them normalised (`100mb` is 104857600), and sets those that
differ with one CONFIG SET, which a server accepts or rejects as a whole. `managementPolicy` and `driftPolicy` decide
which differences are set:

    Apply, Correct   every difference is set
    Apply, Report    set once for each generation of the resource and each start of the server; later differences
                     are only reported until spec.server changes the value or the server restarts
    Observe          differences are only reported
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from stanine.broker.connection.errors import PERMISSION_MISSING, ServerProblem
from stanine.crds.server_parameters import is_same
from stanine_operator.controller.conditions import find_condition
from stanine_operator.controller.reconcile_result import ResourceCondition
from stanine_operator.controller.resource import Resource
from stanine_operator.redis_configs.records import (
    Drift,
    ObservedParameters,
    Parameter,
    ParameterChange,
)

#: The condition of this module.
CONDITION = "ServerConfigured"
#: Reason of a difference that is only reported.
DRIFT_DETECTED = "DriftDetected"
#: Maximum number of characters quoted from a server's error.
QUOTED = 300
#: The rejected parameter in a server's error.
_REFUSED_NAME = re.compile(r"argument '([a-z0-9-]{1,64})'|CONFIG SET - '([a-z0-9-]{1,64})'")


class Rules(msgspec.Struct, frozen=True):
    """What a reconciliation may set."""

    observe: bool
    report: bool
    #: All parameters were set before, for this generation of the resource and this start of the server.
    applied: bool = False
    #: Differences reported in the status, (name, wanted), since the server started.
    reported: frozenset[tuple[str, str]] = frozenset()


def read_rules(resource: Resource, *, observe: bool, report: bool, run_id: str) -> Rules:
    """Return what may be set, based on the status of earlier reconciliations."""
    condition = find_condition(resource.status.get("conditions") or (), CONDITION)
    if condition is None or resource.status.get("runId") != run_id:
        return Rules(observe, report)
    drift_reported = condition.get("reason") == DRIFT_DETECTED
    done = drift_reported or condition.get("status") == "True"
    listed: Sequence[Any] = resource.status.get("drift") or ()
    return Rules(
        observe,
        report,
        applied=done and condition.get("observedGeneration") == resource.generation,
        reported=frozenset((each["name"], each["wanted"]) for each in listed)
        if drift_reported
        else frozenset(),
    )


def find_drift(wanted: Sequence[Parameter], observed: ObservedParameters) -> tuple[Drift, ...]:
    """Return the parameters that differ, in the wanted order."""
    find_differences = []
    for parameter in wanted:
        found = observed.value(parameter.name)
        if found is None or not is_same(parameter.name, parameter.value, found):
            find_differences.append(Drift(parameter.name, parameter.value, found))
    return tuple(find_differences)


def choose_changes(drift: Sequence[Drift], rules: Rules) -> tuple[Parameter, ...]:
    """Return the parameters to set together.

    A parameter unknown to the server prevents setting the others.
    """
    if rules.observe or any(each.found is None for each in drift):
        return ()
    return tuple(
        Parameter(each.name, each.wanted) for each in drift if not _is_tolerated(each, rules)
    )


def parameters_condition(
    wanted: Sequence[Parameter], observed: ObservedParameters, rules: Rules
) -> ResourceCondition:
    """Return the condition if nothing was set."""
    if observed.refusal is not None:
        return _refusal_condition(observed.refusal, rules)
    drift = find_drift(wanted, observed)
    unknown = [each.name for each in drift if each.found is None]
    if unknown:
        return _false(
            "InvalidParameter",
            f"this server does not know {_list(unknown)}: remove it from spec.server; nothing of it was set",
        )
    if drift:
        return _drift_condition(drift, rules)
    if not wanted:
        return ResourceCondition(
            CONDITION, True, "NothingDeclared", "spec.server names no parameter"
        )
    return ResourceCondition(
        CONDITION,
        True,
        "AsDeclared",
        f"{len(wanted)} parameters of spec.server are set on the server",
    )


def change_condition(
    wanted: Sequence[Parameter], change: ParameterChange, rules: Rules
) -> ResourceCondition:
    """Return the condition after parameters were set."""
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
    return parameters_condition(wanted, change.observed, rules)


def is_half_applied(
    changes: Sequence[Parameter],
    before: ObservedParameters,
    after: ObservedParameters,
    *,
    refused: bool,
) -> bool:
    """Return whether the previous values must be restored.

    A rejected change was partly applied, or an accepted value is not what the server keeps.
    """
    if refused:
        return any(before.value(each.name) != after.value(each.name) for each in changes)
    return bool(find_drift(changes, after))


def publish_drift(drift: Sequence[Drift]) -> list[dict[str, str]]:
    """Return `status.drift`."""
    return [{"name": each.name, "wanted": each.wanted, "found": each.found or ""} for each in drift]


def _is_tolerated(drift: Drift, rules: Rules) -> bool:
    return rules.report and (rules.applied or (drift.name, drift.wanted) in rules.reported)


def _drift_condition(drift: Sequence[Drift], rules: Rules) -> ResourceCondition:
    remedy = (
        "managementPolicy is Observe, so nothing is set"
        if rules.observe
        else "driftPolicy is Report, so it is left; set it back, change spec.server, or use driftPolicy: Correct"
    )
    return _false(
        DRIFT_DETECTED,
        f"the server differs from spec.server in {_list([each.name for each in drift])}; {remedy}",
    )


def _refusal_condition(problem: ServerProblem, rules: Rules) -> ResourceCondition:
    if not problem.permanent:
        return _false(problem.reason, f"spec.server: {problem.remedy}")
    if rules.observe:
        return ResourceCondition(
            CONDITION,
            None,
            "UnsupportedByServer",
            "the server does not permit reading its parameters: managementPolicy is Observe, so everything else works",
        )
    return _false(
        "UnsupportedByServer",
        "the server does not permit CONFIG for this user: permit it (+config|get +config|set),"
        " or, on a managed service, set spec.managementPolicy: Observe",
    )


def _named(text: str) -> str:
    found = _REFUSED_NAME.search(text)
    return f"{found[1] or found[2]}: " if found else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _false(reason: str, message: str) -> ResourceCondition:
    return ResourceCondition(CONDITION, False, reason, message)
