"""A Lease (coordination.k8s.io) that elects the operator of a namespace or of the cluster.

Pure; used by responsibility.py. The holder renews its lease; a lease that was not renewed for its duration may be
acquired by another operator. Renewal is detected by observing a change, with the local monotonic clock: clocks of
different machines need not agree.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

#: Duration of a lease in seconds: longer than a new version of the operator needs to start.
LASTS = 40
#: Seconds before the end of the lease at which its holder stops working: longer than a request to the API server may
#: take.
MARGIN = 15.0
#: Maximum assumed clock skew between two machines in seconds.
CLOCK_SKEW = 60.0
#: Name of the lease of one namespace, in that namespace, and of the lease of the cluster, in the operator's
#: namespace.
NAMESPACE_LEASE, CLUSTER_LEASE = "stanine-operator", "stanine-operator-cluster"
#: Separates an operator's name from its process id in holderIdentity.
_SEPARATOR = " "


class Lease(msgspec.Struct, frozen=True):
    """A lease as read from the API server."""

    namespace: str
    uid: str
    version: str
    created: str
    #: The operator that holds the lease and its process; empty without a holder.
    holder: str
    process: str = ""
    renewed: str = ""
    lasts: float = LASTS


class ObservedLease(msgspec.Struct, frozen=True):
    """A lease and the monotonic time in seconds at which this state was first observed."""

    lease: Lease
    since: float

    def is_held(self, now: float) -> bool:
        """Return whether the lease is held, as far as can be observed."""
        return bool(self.lease.holder) and now - self.since < self.lease.lasts


def observe_lease(before: ObservedLease | None, lease: Lease, now: float) -> ObservedLease:
    """Return the observation after reading a lease."""
    return before if before is not None and before.lease == lease else ObservedLease(lease, now)


def read_lease(body: Mapping[str, Any]) -> Lease:
    """Parse a Lease object; missing fields mean that it has no holder."""
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
    """Return whether a lease is held, judged by its renewTime, with a minute of clock skew."""
    try:
        renewed = datetime.fromisoformat(lease.renewed)
    except ValueError:
        return False
    return bool(lease.holder) and (now - renewed).total_seconds() < lease.lasts + CLOCK_SKEW


def make_spec(holder: str, process: str, now: datetime, *, taken: bool) -> dict[str, Any]:
    """Return the spec that a holder writes.

    `taken`: it acquires the lease instead of renewing it.
    """
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    written = {
        "holderIdentity": f"{holder}{_SEPARATOR}{process}",
        "leaseDurationSeconds": LASTS,
        "renewTime": at,
    }
    return written | {"acquireTime": at} if taken else written


def may_take(observed: ObservedLease, holder: str, now: float, *, starting: bool) -> bool:
    """Return whether a lease may be acquired.

    It may if it is free, or if an earlier process of this operator holds it. `starting`: this process has not held
    the lease yet.
    """
    return not observed.is_held(now) or (starting and observed.lease.holder == holder)


def oldest(observed: Mapping[str, ObservedLease], now: float) -> Lease | None:
    """Return the held cluster lease that was created first: its holder serves the cluster."""
    held = [each.lease for each in observed.values() if each.is_held(now)]
    return min(held, key=lambda each: (each.created, each.uid), default=None)
