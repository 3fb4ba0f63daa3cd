"""The three kinds: their names at the API server, their conditions, and the functions that do their work. Read by the loop and main.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stanine_operator.outcome import Outcome, Released
from stanine_operator.resource import Resource
from stanine_operator.world import World

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
    #: stanine.resources.errors.InvalidResource.
    read: Callable[[Resource], Any]
    reconcile: Callable[[Resource, Any, World], Outcome]
    #: None: nothing outlives the resource, so it has no finalizer.
    release: Callable[[Resource, Any, World], Released] | None
    #: The condition that says whether the server can be reached, if it has one.
    reachable: str | None = None
    #: Fields of the status that move by themselves: written at most every five minutes unless something else changes.
    moving: frozenset[str] = frozenset()
