"""Description of a custom resource kind: API names, conditions, and its reconcile functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.reconcile_result import FinalizeResult, ReconcileResult
from stanine_operator.controller.resource import Resource

GROUP = "stanine.dev"
VERSION = "v1alpha1"
#: The finalizer that delays deletion until the data in Redis has been handled; set only with `deletionPolicy:
#: Delete`.
FINALIZER = "stanine.dev/operator"


@dataclass(frozen=True)
class KindHandler:
    """One kind of custom resource."""

    name: str
    plural: str
    #: Types of its conditions, the summary first.
    conditions: tuple[str, ...]
    #: Reads the record that `reconcile` and `finalize` receive as `spec`, once per generation; raises
    #: stanine.crds.errors.InvalidResource.
    read: Callable[[Resource], Any]
    reconcile: Callable[[Resource, Any, ReconcileContext], ReconcileResult]
    #: None: the kind needs no finalizer because nothing is cleaned up.
    finalize: Callable[[Resource, Any, ReconcileContext], FinalizeResult] | None
    #: The condition that reports whether the server is reachable, if the kind has one.
    reachable: str | None = None
    #: Status fields that change without a change of the resource: written at most every five minutes unless another
    #: field changes.
    volatile: frozenset[str] = frozenset()
