"""A Lease (coordination.k8s.io): who of several operators has a namespace, or the whole cluster. Pure; used by responsibility.py.

A holder renews its lease; one that was not renewed for as long as it lasts is anybody's. Whether it was renewed is told by a change seen
here, by our own clock: the clocks of two machines need not agree.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

#: Seconds that a lease lasts without being renewed: longer than a new version of the operator takes to start.
LASTS = 40
#: Seconds before that from which its holder does nothing more: longer than a request to the API server may take.
MARGIN = 15.0
#: Seconds that the clocks of two machines may be apart.
CLOCK_SKEW = 60.0
#: Names of the lease of one namespace, in that namespace, and of the whole cluster, in the operator's own.
NAMESPACE_LEASE, CLUSTER_LEASE = "stanine-operator", "stanine-operator-cluster"
#: Between an operator's name and what tells its processes apart.
_SEPARATOR = " "


class Lease(msgspec.Struct, frozen=True):
    """A lease as the API server has it."""

    namespace: str
    uid: str
    version: str
    created: str
    #: The operator that holds it, and which of its processes; empty: nobody.
    holder: str
    process: str = ""
    renewed: str = ""
    lasts: float = LASTS


class ObservedLease(msgspec.Struct, frozen=True):
    """A lease, and when (monotonic seconds) it was first seen as it is."""

    lease: Lease
    since: float

    def is_held(self, now: float) -> bool:
        """Tell whether somebody holds it, as far as can be told."""
        return bool(self.lease.holder) and now - self.since < self.lease.lasts


def observe_lease(before: ObservedLease | None, lease: Lease, now: float) -> ObservedLease:
    """Return the sighting after a look."""
    return before if before is not None and before.lease == lease else ObservedLease(lease, now)


def read_lease(body: Mapping[str, Any]) -> Lease:
    """Read a Lease object; what is missing is nobody's."""
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    holder, _, process = str(spec.get("holderIdentity") or "").rpartition(_SEPARATOR)
    return Lease(
        namespace=str(metadata.get("namespace") or ""),
        uid=str(metadata.get("uid") or ""),
        version=str(metadata.get("resourceVersion") or ""),
        created=str(metadata.get("creationTimestamp") or ""),
        holder=holder or process,
        process=process if holder else "",
        renewed=str(spec.get("renewTime") or ""),
        lasts=float(spec.get("leaseDurationSeconds") or LASTS),
    )


def is_in_use(lease: Lease, now: datetime) -> bool:
    """Tell at one look whether somebody holds a lease: by its own word of when it was renewed, clocks being a minute apart at most."""
    try:
        renewed = datetime.fromisoformat(lease.renewed)
    except ValueError:
        return False
    return bool(lease.holder) and (now - renewed).total_seconds() < lease.lasts + CLOCK_SKEW


def make_spec(holder: str, process: str, now: datetime, *, taken: bool) -> dict[str, Any]:
    """Return what a holder writes; `taken`: it did not hold it before."""
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    written = {
        "holderIdentity": f"{holder}{_SEPARATOR}{process}",
        "leaseDurationSeconds": LASTS,
        "renewTime": at,
    }
    return written | {"acquireTime": at} if taken else written


def may_take(seen: ObservedLease, holder: str, now: float, *, starting: bool) -> bool:
    """Tell whether a lease is ours to take: nobody holds it; or an earlier process of this operator did and this one has just begun."""
    return not seen.is_held(now) or (starting and seen.lease.holder == holder)


def oldest(observed: Mapping[str, ObservedLease], now: float) -> Lease | None:
    """Return, of the leases of the whole cluster, that of the operator which has it: the first that was made, of those that are held."""
    held = [each.lease for each in observed.values() if each.is_held(now)]
    return min(held, key=lambda each: (each.created, each.uid), default=None)
