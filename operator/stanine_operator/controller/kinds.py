"""The three kinds: their names at the API server, their conditions, and the functions that do their work. Read by the loop and main.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.reconcile_result import FinalizeResult, ReconcileResult
from stanine_operator.controller.resource import Resource

GROUP = "stanine.dev"
VERSION = "v1alpha1"
#: What keeps a resource until its data has been dealt with; there only with `deletionPolicy: Delete`.
FINALIZER = "stanine.dev/operator"


@dataclass(frozen=True)
class Kind:
    """One kind of custom resource."""

    name: str
    plural: str
    #: Types of its conditions, the summary first.
    conditions: tuple[str, ...]
    #: Makes the record that `reconcile` and `release` get as `spec`, once for each generation; raises
    #: stanine.crds.errors.InvalidResource.
    read: Callable[[Resource], Any]
    reconcile: Callable[[Resource, Any, ReconcileContext], ReconcileResult]
    #: None: nothing outlives the resource, so it has no finalizer.
    finalize: Callable[[Resource, Any, ReconcileContext], FinalizeResult] | None
    #: The condition that says whether the server can be reached, if it has one.
    reachable: str | None = None
    #: Fields of the status that move by themselves: written at most every five minutes unless something else changes.
    volatile: frozenset[str] = frozenset()
