"""The hook before `helm uninstall`: `python -m stanine_operator.kubernetes.uninstall`.

Helm would stop the operator first, and a resource with its finalizer would then wait forever. So the hook, in this
order, deletes the release's own resources with deletionPolicy Delete, which the operator finalizes; stops the
operator; and removes the operator's finalizer from all remaining resources, so that they can be deleted later. Their
data is kept.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from stanine_operator.controller.catalogue import all_kinds
from stanine_operator.controller.kinds import FINALIZER, KindHandler
from stanine_operator.controller.lease import CLUSTER_LEASE, NAMESPACE_LEASE, is_in_use, read_lease
from stanine_operator.kubernetes.client import Body, Client, ClusterError
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.kubernetes.credentials import ClusterCredentialsError
from stanine_operator.kubernetes.freeing import free

#: Seconds for the operator's pod to terminate: slightly more than its own timeouts.
STOP_SECONDS = 18.0
#: Seconds between polls.
POLL_INTERVAL = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the hook; return 0 if no resource waits for the operator, 1 otherwise."""
    options = _read_arguments(arguments)
    try:
        return asyncio.run(_run(options))
    except (ClusterCredentialsError, ClusterError) as error:
        _print(
            f"uninstall: {error}; or: `helm uninstall --no-hooks`, and remove the finalizer {FINALIZER} by hand"
        )
        return 1


async def _run(options: argparse.Namespace) -> int:
    client = await Client.connect()
    try:
        cluster = Cluster(client)
        # do not wait for an operator that no longer runs
        runs = bool(await cluster.list_pods(options.namespace, options.selector))
        await delete_own(
            cluster, options.namespace, options.release, options.timeout if runs else 0
        )
        await stop_operator(cluster, options.namespace, options.deployment, options.selector)
        await cluster.delete_lease(
            options.namespace, CLUSTER_LEASE if options.all_namespaces else NAMESPACE_LEASE
        )
        others = await _served_by_others(cluster) if options.all_namespaces else frozenset()
        reach = [None if options.all_namespaces else options.namespace]
        freed = await free(cluster, all_kinds(), reach, lambda namespace: namespace not in others)
        for name in freed.freed:
            _print(f"kept the data of {name}: its operator is being removed")
        for failure in freed.failures:
            _print(f"uninstall: {failure}")
        return 1 if freed.failures else 0
    finally:
        await client.close()


async def delete_own(cluster: Cluster, namespace: str, release: str, within: float) -> None:
    """Delete the release's resources with deletionPolicy Delete and wait for their finalization."""
    labels = f"app.kubernetes.io/instance={release},app.kubernetes.io/managed-by=Helm"

    async def waiting() -> list[tuple[KindHandler, Body]]:
        return [
            (kind, found)
            for kind in all_kinds()
            if kind.finalize is not None
            for found in await _objects(cluster, kind, namespace, labels)
            if found["spec"].get("deletionPolicy") == "Delete"
        ]

    for kind, found in await waiting():
        if not found["metadata"].get("deletionTimestamp"):
            try:
                await cluster.delete_object(kind, namespace, found["metadata"]["name"])
            except ClusterError as error:
                if not error.not_found:
                    raise
            _print(f"deleting {kind.plural}/{found['metadata']['name']}")

    async def deleted() -> bool:
        return not await waiting()

    if not await _until(deleted, within):
        for kind, found in await waiting():
            _print(
                f"{kind.plural}/{found['metadata']['name']} was not deleted within {within:g} s: its data is kept"
            )


async def stop_operator(cluster: Cluster, namespace: str, deployment: str, selector: str) -> None:
    """Stop the operator, so that it does not add its finalizer again."""
    try:
        await cluster.scale(namespace, deployment, 0)
    except ClusterError as error:
        if not error.not_found:
            raise

    async def ended() -> bool:
        return not await cluster.list_pods(namespace, selector)

    await _until(ended, STOP_SECONDS)


async def _served_by_others(cluster: Cluster) -> frozenset[str]:
    """Return the namespaces with an operator of their own, which handles their resources."""
    leases = [read_lease(body) for body in await cluster.list_leases(NAMESPACE_LEASE)]
    return frozenset(lease.namespace for lease in leases if is_in_use(lease, datetime.now(UTC)))


async def _objects(cluster: Cluster, kind: KindHandler, namespace: str, labels: str) -> list[Body]:
    """Return the objects of a kind; empty if the kind is not installed."""
    try:
        return await cluster.list_objects(kind, namespace, labels)
    except ClusterError as error:
        if error.not_found:
            return []
        raise


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_INTERVAL)
    return True


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="stanine-uninstall", description="Runs before a release of the chart is uninstalled."
    )
    parser.add_argument("--release", required=True, help="the release")
    parser.add_argument("--namespace", required=True, help="its namespace")
    parser.add_argument(
        "--all-namespaces", action="store_true", help="the operator serves every namespace"
    )
    parser.add_argument("--deployment", required=True, help="the operator's Deployment")
    parser.add_argument("--selector", required=True, help="the labels of its pods")
    parser.add_argument(
        "--timeout",
        type=float,
        default=40,
        help="seconds for the operator to delete the resources (default: 40)",
    )
    return parser.parse_args(arguments)


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a job's log is for people


if __name__ == "__main__":
    sys.exit(main())
