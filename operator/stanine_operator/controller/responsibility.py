"""Decide which resources this operator serves if several operators run.

Created by main.py; used before every reconciliation. An operator of one namespace holds that namespace's lease; of
two such operators the first serves it and the other waits. An operator of the whole cluster skips every namespace
that has its own operator; of two such operators the first serves the rest. The serving operator is written to each
resource's status.

A process that cannot renew its lease stops working before another process may acquire it. The newest process of an
operator takes over the lease of an earlier process, so that a pod that hangs on a lost node does not block its
successor.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from stanine.telemetry.logs import get_log
from stanine_operator.controller.lease import (
    CLUSTER_LEASE,
    MARGIN,
    NAMESPACE_LEASE,
    ObservedLease,
    make_spec,
    may_take,
    observe_lease,
    oldest,
    read_lease,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.kubernetes.cluster import Cluster

#: Seconds between two reads of the leases, and between two renewals.
REFRESH_INTERVAL, RENEW_INTERVAL = 5.0, 10.0
#: Seconds without a read after which earlier observations are discarded: no operator can renew while the API server
#: is unavailable.
LEASES_STALE = 3 * REFRESH_INTERVAL
#: Seconds after its last read during which an operator of the whole cluster may use the result.
LEASES_FRESH = 2.5 * REFRESH_INTERVAL
#: Seconds until a resource of another operator is checked again.
FOREIGN_RECHECK = 60.0
#: Seconds that an operator waits before reconciling a resource that another operator served: the other must notice
#: the change.
HANDOVER = LEASES_FRESH + REFRESH_INTERVAL


class LeaseElector:
    """Acquires and renews one lease for this operator."""

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, operator: str, clock: Callable[[], float]
    ) -> None:
        self._cluster, self._namespace, self._name, self._operator, self._clock = (
            cluster,
            namespace,
            name,
            operator,
            clock,
        )
        self._process = uuid.uuid4().hex[:8]
        self._begins = True
        self._seen: ObservedLease | None = None
        self._renewed = self._looked = float("-inf")

    @property
    def is_mine(self) -> bool:
        """Return whether this process holds the lease, with a safety margin before its end."""
        return (
            self._is_holder()
            and self._seen is not None
            and self._clock() - self._renewed < self._seen.lease.lasts - MARGIN
        )

    @property
    def uid(self) -> str:
        """Return the uid of the lease; empty if it was not read yet."""
        return "" if self._seen is None else self._seen.lease.uid

    @property
    def holder(self) -> str:
        """Return the holder when the lease was last read."""
        return "" if self._seen is None else self._seen.lease.holder

    async def refresh(self) -> None:
        """Renew, acquire or read the lease. Raises ClusterError."""
        began = self._clock()
        if self._is_holder() and began - self._renewed < RENEW_INTERVAL:
            return
        try:
            if not self._is_holder():
                found = await self._cluster.read_lease(self._namespace, self._name)
                before = self._seen if began - self._looked < LEASES_STALE else None
                self._seen, self._looked = (
                    None if found is None else observe_lease(before, read_lease(found), began),
                    began,
                )
            await self._write(began)
        except ClusterError as error:
            if self._is_holder() and error.status in (403, 404) and await self._is_ending():
                self._renewed = began  # the lease was deleted first and cannot be recreated there: the remaining resources are still ours
            elif error.conflict or error.not_found:
                self._seen = None  # another operator was faster: the next refresh reads the holder
            else:
                raise

    async def _is_ending(self) -> bool:
        try:
            return await self._cluster.is_ending(self._namespace)
        except ClusterError:
            return False

    async def _write(self, began: float) -> None:
        now = datetime.now(UTC)
        if self._seen is None:
            body = await self._cluster.make_lease(
                self._namespace,
                self._name,
                make_spec(self._operator, self._process, now, taken=True),
            )
        elif self._is_holder() or may_take(
            self._seen, self._operator, began, starting=self._begins
        ):
            spec = make_spec(self._operator, self._process, now, taken=not self._is_holder())
            body = await self._cluster.write_lease(
                self._namespace, self._name, self._seen.lease.version, spec
            )
        else:
            return
        self._seen, self._renewed, self._begins = (
            ObservedLease(read_lease(body), began),
            began,
            False,
        )

    def _is_holder(self) -> bool:
        lease = None if self._seen is None else self._seen.lease
        return lease is not None and (lease.holder, lease.process) == (
            self._operator,
            self._process,
        )


class Responsibility:
    """The namespaces that this operator serves now. Must be used in the event loop."""

    def __init__(
        self,
        cluster: Cluster,
        operator: str,
        namespaces: Sequence[str],
        own: str,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Serve `namespaces` (none: all); `own` is the namespace of the cluster lease."""
        self._cluster, self._operator = cluster, operator
        self._clock = asyncio.get_running_loop().time if clock is None else clock
        self._is_owner = {
            name: LeaseElector(cluster, name, NAMESPACE_LEASE, operator, self._clock)
            for name in namespaces
        }
        self._whole = (
            None if namespaces else LeaseElector(cluster, own, CLUSTER_LEASE, operator, self._clock)
        )
        #: Leases of namespaces with their own operator, and of operators of the whole cluster, by uid.
        self._others: dict[str, ObservedLease] = {}
        self._cluster_leases: dict[str, ObservedLease] = {}
        #: Time since which each queried namespace is served by this operator.
        self._since: dict[str, float] = {}
        self._logged: dict[str, str] = {}
        self._looked = float("-inf")
        #: Called when the served namespaces may have changed.
        self.changed: Callable[[], None] = lambda: None

    def serves(self, namespace: str) -> bool:
        """Return whether this operator serves the resources of a namespace now."""
        if self._whole is None:
            hold = self._is_owner.get(namespace)
            return hold is not None and hold.is_mine
        now = self._clock()
        if (
            not self._whole.is_mine
            or now - self._looked > LEASES_FRESH
            or any(
                each.lease.namespace == namespace and each.is_held(now)
                for each in self._others.values()
            )
        ):
            return False
        first = oldest(self._cluster_leases, now)
        return first is not None and first.uid == self._whole.uid

    def wait(self, resource: Resource) -> float | None:
        """Return the seconds a reconciliation must wait; None if it may start.

        It may start if this operator serves the resource and the previous operator had time to notice.
        """
        if not self.serves(resource.namespace):
            self._since.pop(resource.namespace, None)
            return FOREIGN_RECHECK
        since = self._since.setdefault(resource.namespace, self._clock())
        left = since + HANDOVER - self._clock()
        return (
            None if left <= 0 or resource.status.get("operator") in (None, self._operator) else left
        )

    async def refresh(self) -> None:
        """Read the leases; renew or acquire the wanted ones. Raises ClusterError."""
        self._since = {
            name: since for name, since in self._since.items() if self.serves(name)
        }  # a namespace that was lost starts again
        for hold in (*self._is_owner.values(), *([] if self._whole is None else [self._whole])):
            await hold.refresh()
        if self._whole is not None:
            began, blind = self._clock(), self._clock() - self._looked > LEASES_STALE
            self._others = await self._observe_leases(
                NAMESPACE_LEASE, {} if blind else self._others
            )
            self._cluster_leases = await self._observe_leases(
                CLUSTER_LEASE, {} if blind else self._cluster_leases
            )
            self._looked = began
        self._log_changes()

    async def run(self) -> None:
        """Refresh the leases periodically."""
        answers = True
        while True:
            await asyncio.sleep(REFRESH_INTERVAL)
            try:
                await self.refresh()
                answers = True
            except ClusterError as error:
                if answers:
                    get_log().warning("lease.failed", status=error.status, detail=str(error))
                answers = False

    async def _observe_leases(
        self, name: str, before: dict[str, ObservedLease]
    ) -> dict[str, ObservedLease]:
        now = self._clock()
        leases = [read_lease(body) for body in await self._cluster.list_leases(name)]
        return {lease.uid: observe_lease(before.get(lease.uid), lease, now) for lease in leases}

    def _log_changes(self) -> None:
        """Log which operator serves which namespace, once per change; report the change."""
        now = self._clock()
        if self._whole is None:
            held = {
                name: self._operator if hold.is_mine else hold.holder
                for name, hold in self._is_owner.items()
            }
        else:
            first = oldest(self._cluster_leases, now)
            held = {
                each.lease.namespace: each.lease.holder
                for each in self._others.values()
                if each.is_held(now)
            }
            held["*"] = "" if first is None else first.holder
        if held == self._logged:
            return
        for namespace, operator in sorted(held.items()):
            if self._logged.get(namespace) != operator:
                get_log().info(
                    "namespace.served",
                    namespace=namespace,
                    operator=operator,
                    mine=operator == self._operator,
                )
        self._logged = held
        self.changed()
