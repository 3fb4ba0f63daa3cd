"""Free the served resources when the operator stops because its own namespace is being deleted.

Used by main.py. Kubernetes (1.33 or newer) terminates the pods of a namespace before it deletes anything else there,
so the operator can still do this. The data in Redis is kept.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from stanine.telemetry.logs import get_log
from stanine_operator.controller.kinds import KindHandler
from stanine_operator.controller.reconciler import Reconciler
from stanine_operator.controller.responsibility import Responsibility
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.kubernetes.freeing import free

#: Seconds for one attempt, of two: a pod is killed 30 s after SIGTERM, and running reconciliations take up to 12.
FREE_TIMEOUT = 6.0


class Leaving:
    """Frees the resources of this operator if its namespace is being deleted."""

    def __init__(
        self,
        cluster: Cluster,
        kinds: Mapping[str, KindHandler],
        responsibility: Responsibility,
        reconciler: Reconciler,
        namespaces: Collection[str],
        own: str | None,
    ) -> None:
        """Create it. `namespaces`: the served ones, none means all; `own`: the operator's."""
        self._cluster, self._kinds, self._responsibility, self._reconciler = (
            cluster,
            kinds,
            responsibility,
            reconciler,
        )
        self._namespaces: Final = tuple(namespaces) or (None,)
        self._own = own

    async def free(self) -> None:
        """Free the resources; log if the API server does not permit it."""
        try:
            async with asyncio.timeout(FREE_TIMEOUT):
                if self._own is None or not await self._cluster.is_ending(self._own):
                    return
                self._reconciler.leaving = True
                done = await free(
                    self._cluster,
                    self._kinds.values(),
                    self._namespaces,
                    self._responsibility.serves,
                )
        except (ClusterError, TimeoutError) as error:
            get_log().warning(
                "operator.end_unknown",
                detail=f"the state of the operator's namespace could not be read: {error}",
            )
            return
        if done.freed:
            get_log().warning(
                "resources.freed",
                count=len(done.freed),
                detail="their operator is being removed: their data is kept",
            )
        if done.failures:
            get_log().error(
                "resources.not_freed", count=len(done.failures), detail=done.failures[0]
            )
