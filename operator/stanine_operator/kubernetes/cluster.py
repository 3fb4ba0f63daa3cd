"""The operator's requests to the API server: Secrets, statuses, finalizers, Events, lists, Leases.

All methods are coroutines of the operator's event loop; `read_secret_from_thread` is for worker threads. Responses
are limited to metadata where that is enough.
"""

import asyncio
import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from stanine_operator.controller.kinds import GROUP, VERSION, KindHandler
from stanine_operator.controller.problems import (
    API_SERVER_UNREACHABLE,
    SECRET_FORBIDDEN,
    SECRET_NOT_FOUND,
    OperatorProblem,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.kubernetes.client import (
    CONNECT_TIMEOUT,
    FIELD_MANAGER,
    MERGE_PATCH,
    REQUEST_TIMEOUT,
    Body,
    Client,
    ClusterError,
)

#: Page sizes of metadata lists and of lists of whole objects, which may have up to 1 MiB each.
PAGE, OBJECTS_PAGE = 1000, 100

_LEASES = "/apis/coordination.k8s.io/v1"
_ONLY_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_ONLY_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Cluster:
    """The operator's view of the API server. Created in the event loop that uses it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    async def missing_kinds(self, kinds: Iterable[KindHandler]) -> list[str]:
        """Return the kinds whose CustomResourceDefinitions are not installed."""
        try:
            found = await self._client.call("GET", f"/apis/{GROUP}/{VERSION}")
        except ClusterError as error:
            if not error.not_found:
                raise
            found = {}
        served = {each["name"] for each in found.get("resources", ())}
        return [
            kind.name
            for kind in kinds
            if kind.plural not in served or f"{kind.plural}/status" not in served
        ]

    async def read_object(self, kind: KindHandler, namespace: str, name: str) -> Body:
        """Return an object."""
        return await self._client.call("GET", _path(kind, namespace, name))

    async def list_version(self, kind: KindHandler, namespace: str | None) -> str:
        """Return the resourceVersion of a current list: at least as high as any issued before."""
        page = await self._client.call(
            "GET", _list_path(kind, namespace), query={"limit": "1"}, accept=_ONLY_METADATA_LIST
        )
        return str(page["metadata"].get("resourceVersion") or "")

    async def list_metadata(self, kind: KindHandler, namespace: str | None) -> list[Body]:
        """Return the metadata of all objects of a kind, from the API server's cache."""
        return [
            item["metadata"]
            async for item in self._client.items(
                _list_path(kind, namespace), PAGE, accept=_ONLY_METADATA_LIST
            )
        ]

    async def list_objects(
        self, kind: KindHandler, namespace: str | None, labels: str = ""
    ) -> list[Body]:
        """Return all objects of a kind, or those with the given labels."""
        query = {"labelSelector": labels} if labels else {}
        return [
            item
            async for item in self._client.items(
                _list_path(kind, namespace), OBJECTS_PAGE, query=query
            )
        ]

    async def patch_status(
        self, kind: KindHandler, resource: Resource, patch: Mapping[str, Any]
    ) -> Body:
        """Patch a status unless the object has changed; return its new metadata.

        A status belongs to the observed state. Written to another state (a later spec, or one of a restored etcd) it
        would claim an `observedGeneration` that was never observed.
        """
        body = {
            "metadata": {"uid": resource.uid, "resourceVersion": resource.version},
            "status": patch,
        }
        path = _path(kind, resource.namespace, resource.name) + "/status"
        return await self._patch(path, body)

    async def delete_object(self, kind: KindHandler, namespace: str, name: str) -> None:
        """Delete an object."""
        await self._client.call("DELETE", _path(kind, namespace, name))

    async def set_finalizers(
        self, kind: KindHandler, resource: Resource, finalizers: Iterable[str]
    ) -> Body:
        """Replace the finalizers unless the object has changed; return its new metadata."""
        body = {
            "metadata": {
                "uid": resource.uid,
                "resourceVersion": resource.version,
                "finalizers": list(finalizers),
            }
        }
        return await self._patch(_path(kind, resource.namespace, resource.name), body)

    async def _patch(self, path: str, body: Body) -> Body:
        """Apply a merge patch; return the new metadata."""
        answer = await self._client.call(
            "PATCH",
            path,
            body,
            content_type=MERGE_PATCH,
            accept=_ONLY_METADATA,
            query=_field_manager(),
        )
        metadata: Body = answer["metadata"]
        return metadata

    async def post_event(self, namespace: str, event: Body) -> None:
        """Create an Event."""
        await self._client.call(
            "POST",
            f"/api/v1/namespaces/{quote(namespace)}/events",
            event,
            accept=_ONLY_METADATA,
            query=_field_manager(),
        )

    async def repeat_event(self, namespace: str, name: str, count: int, at: str) -> None:
        """Update the count of a posted Event."""
        path = f"/api/v1/namespaces/{quote(namespace)}/events/{quote(name)}"
        patch = {"count": count, "lastTimestamp": at}
        await self._client.call(
            "PATCH",
            path,
            patch,
            content_type=MERGE_PATCH,
            accept=_ONLY_METADATA,
            query=_field_manager(),
        )

    async def read_lease(self, namespace: str, name: str) -> Body | None:
        """Return a Lease, or None."""
        try:
            return await self._client.call("GET", _lease_path(namespace, name))
        except ClusterError as error:
            if error.not_found:
                return None
            raise

    async def list_leases(self, name: str) -> list[Body]:
        """Return the Leases of one name in all namespaces."""
        return [
            each
            async for each in self._client.items(
                _LEASES + "/leases", PAGE, query={"fieldSelector": f"metadata.name={name}"}
            )
        ]

    async def make_lease(self, namespace: str, name: str, spec: Mapping[str, Any]) -> Body:
        """Create a Lease."""
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "stanine"},
        }
        return await self._client.call(
            "POST",
            _lease_path(namespace),
            {"metadata": metadata, "spec": spec},
            query=_field_manager(),
        )

    async def write_lease(
        self, namespace: str, name: str, version: str, spec: Mapping[str, Any]
    ) -> Body:
        """Update a Lease unless it has changed."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._client.call(
            "PATCH",
            _lease_path(namespace, name),
            body,
            content_type=MERGE_PATCH,
            query=_field_manager(),
        )

    async def delete_lease(self, namespace: str, name: str) -> None:
        """Delete a Lease if it exists."""
        try:
            await self._client.call("DELETE", _lease_path(namespace, name))
        except ClusterError as error:
            if not error.not_found:
                raise

    async def is_ending(self, namespace: str) -> bool:
        """Return whether a namespace is being deleted or does not exist."""
        try:
            found = await self._client.call("GET", f"/api/v1/namespaces/{quote(namespace)}")
        except ClusterError as error:
            if error.not_found:
                return True
            raise
        return bool(found["metadata"].get("deletionTimestamp"))

    async def list_pods(self, namespace: str, labels: str) -> list[Body]:
        """Return the pods with the given labels."""
        path = f"/api/v1/namespaces/{quote(namespace)}/pods"
        return [
            each
            async for each in self._client.items(
                path, OBJECTS_PAGE, query={"labelSelector": labels}
            )
        ]

    async def scale(self, namespace: str, deployment: str, replicas: int) -> None:
        """Set the number of replicas of a Deployment."""
        path = f"/apis/apps/v1/namespaces/{quote(namespace)}/deployments/{quote(deployment)}/scale"
        await self._client.call(
            "PATCH",
            path,
            {"spec": {"replicas": replicas}},
            content_type=MERGE_PATCH,
            query=_field_manager(),
        )

    async def read_secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """Return a Secret's data.

        Raises OperatorProblem: SecretNotFound, SecretForbidden, APIServerUnreachable.
        """
        try:
            body = await self._client.call(
                "GET", f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}"
            )
        except ClusterError as error:
            raise _secret_problem(error, name) from None
        try:
            return {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}
        except (binascii.Error, ValueError):  # the API server rejects such a Secret
            raise OperatorProblem(
                SECRET_NOT_FOUND, f"Secret {name} holds no base64: write it again."
            ) from None

    def read_secret_from_thread(self, namespace: str, name: str) -> dict[str, bytes]:
        """Return a Secret's data; called from worker threads. Raises as `read_secret`."""
        future = asyncio.run_coroutine_threadsafe(self.read_secret(namespace, name), self._loop)
        try:
            return future.result(REQUEST_TIMEOUT + CONNECT_TIMEOUT)
        except TimeoutError:
            future.cancel()
            raise OperatorProblem(
                API_SERVER_UNREACHABLE,
                f"Secret {name} could not be read in time: the operator retries.",
            ) from None


def _list_path(kind: KindHandler, namespace: str | None) -> str:
    return (
        f"/apis/{GROUP}/{VERSION}/"
        + (f"namespaces/{quote(namespace)}/" if namespace else "")
        + kind.plural
    )


def _path(kind: KindHandler, namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/{kind.plural}/{quote(name)}"


def _lease_path(namespace: str, name: str = "") -> str:
    return f"{_LEASES}/namespaces/{quote(namespace)}/leases" + (f"/{quote(name)}" if name else "")


def _field_manager() -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER}


def _secret_problem(error: ClusterError, name: str) -> OperatorProblem:
    if error.not_found:
        return OperatorProblem(
            SECRET_NOT_FOUND,
            f"There is no Secret {name} in this namespace: create it, or correct the reference.",
        )
    if error.status == 403:
        return OperatorProblem(
            SECRET_FORBIDDEN, f"The operator may not read Secret {name}: extend its Role."
        )
    return OperatorProblem(
        API_SERVER_UNREACHABLE,
        f"Secret {name} could not be read: the API server did not answer; the operator retries.",
    )
