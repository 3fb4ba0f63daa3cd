"""Decide whether the API server still has the history that the operator knows. Pure; called by loop.py.

resourceVersion and generation are counters. After etcd is restored from a backup they continue from the backup's values: a number that the
operator has seen is given out again for another state, and a later state can have a lower number. Therefore the operator numbers the
histories that it meets, and orders versions within one history only (Resource.is_newer_than).
"""

from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.resource import Resource


def is_lower(version: str, last: str) -> bool:
    """Tell whether the resourceVersion of a list is lower than that of an earlier list, which happens in another history only.

    Versions that are no numbers have no order.
    """
    return version.isdigit() and last.isdigit() and int(version) < int(last)


def differs(known: Resource | None, listed: Mapping[str, Any] | None) -> bool:
    """Tell whether a list shows a state other than the known one. `listed`: the object's metadata. None: it is not known, or not listed."""
    if known is None or listed is None:
        return known is not None or listed is not None
    return (known.uid, known.version, known.generation, known.deleting) != (
        listed["uid"], str(listed["resourceVersion"]), listed.get("generation", 1), bool(listed.get("deletionTimestamp"))
    )  # fmt: skip
