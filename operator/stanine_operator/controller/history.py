"""Detect whether the API server's history changed (etcd was restored).

Pure; called by controller.py. resourceVersion and generation are counters. After etcd is restored from a backup they
continue from the backup's values: a number that the operator has seen is assigned again to another state, and a later
state can have a lower number. The operator therefore numbers the histories and orders versions within one history
only (Resource.is_newer_than).
"""

from collections.abc import Mapping
from typing import Any

from stanine_operator.controller.resource import Resource


def is_lower(version: str, last: str) -> bool:
    """Return whether a resourceVersion is lower than an earlier one, which implies another history.

    Non-numeric versions are unordered.
    """
    return version.isdigit() and last.isdigit() and int(version) < int(last)


def differs(known: Resource | None, listed: Mapping[str, Any] | None) -> bool:
    """Return whether listed metadata differs from the cached state.

    None means not cached, or not listed.
    """
    if known is None or listed is None:
        return known is not None or listed is not None
    return (known.uid, known.version, known.generation, known.deleting) != (
        listed["uid"], str(listed["resourceVersion"]), listed.get("generation", 1), bool(listed.get("deletionTimestamp"))
    )  # fmt: skip
