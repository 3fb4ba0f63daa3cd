"""The one module that speaks to the API server beside kopf's watches: Secrets, statuses, finalizers, events, lists. Used by the loop.

All methods are coroutines of the operator's event loop; `read_secret` is also there for worker threads. Only what a call needs is asked
of the API server, and only metadata comes back where that is enough.
"""

import asyncio
import base64
import binascii
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import kopf
import msgspec

from stanine_operator.kinds import GROUP, VERSION, Kind
from stanine_operator.problems import API_SERVER_UNREACHABLE, SECRET_FORBIDDEN, SECRET_NOT_FOUND, OperatorProblem
from stanine_operator.resource import Resource

#: Seconds that a request may take in all, and to connect.
REQUEST_TIMEOUT, CONNECT_TIMEOUT = 15.0, 5.0
#: Requests under way at the same time; the API server's own fairness queues the rest.
CONNECTIONS = 32
#: Seconds after which the credentials are read again: a service account's token is replaced within the hour.
LOGIN_FRESH = 60.0
#: The name that the API server notes as the owner of what is written.
FIELD_MANAGER = "stanine-operator"
#: Names in a page of a list, and whole objects, which are up to 1 MiB each.
PAGE, OBJECTS_PAGE = 1000, 100

_ONLY_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_ONLY_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_MERGE_PATCH = "application/merge-patch+json"

Login = Callable[[], kopf.ConnectionInfo]
Body = dict[str, Any]


class ClusterError(Exception):
    """The API server refused a request or could not be reached; `status` is HTTP's, 0 if there was no answer. The loop tries again."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: {status or 'no answer'}")
        self.status = status

    @property
    def gone(self) -> bool:
        """Whether the object is not there any more."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """Whether the object is not what it was when it was seen: the newer state is on its way here."""
        return self.status == 409

    @property
    def away(self) -> bool:
        """Whether the API server is what is at fault, not the request."""
        return self.status in (0, 429) or self.status >= 500


class Cluster:
    """The API server. Made in the event loop that it is used in."""

    def __init__(self, login: Login, *, seen: Callable[[str, int], None] = lambda _method, _status: None) -> None:
        """`seen` is told each request's method and status, for the metrics."""
        self._login = login
        self._seen = seen
        self._info = login()
        self._read_at = time.monotonic()
        self._tls: ssl.SSLContext | bool = self._info.as_ssl_context() if self._info.server.startswith("https") else False
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._tls, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
            trust_env=self._info.trust_env,
        )
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def missing_kinds(self, kinds: Iterable[Kind]) -> list[str]:
        """Return the kinds whose CustomResourceDefinitions are not installed."""
        try:
            found = await self._call("GET", f"/apis/{GROUP}/{VERSION}")
        except ClusterError as error:
            if not error.gone:
                raise
            found = {}
        served = {each["name"] for each in found.get("resources", ())}
        return [kind.name for kind in kinds if kind.plural not in served or f"{kind.plural}/status" not in served]

    async def read_object(self, kind: Kind, namespace: str, name: str) -> Body:
        """Return an object."""
        return await self._call("GET", _path(kind, namespace, name))

    async def list_version(self, kind: Kind, namespace: str | None) -> str:
        """Return the resourceVersion of a list that is made now: no lower than any other that the API server has given out before."""
        page = await self._call("GET", _list_path(kind, namespace), query={"limit": "1"}, accept=_ONLY_METADATA_LIST)
        return str(page["metadata"].get("resourceVersion") or "")

    async def list_metadata(self, kind: Kind, namespace: str | None) -> list[Body]:
        """Return the metadata of all objects of a kind, from the API server's cache."""
        return [item["metadata"] async for item in self._items(kind, namespace, PAGE, _ONLY_METADATA_LIST)]

    async def list_objects(self, kind: Kind, namespace: str | None) -> list[Body]:
        """Return all objects of a kind."""
        return [item async for item in self._items(kind, namespace, OBJECTS_PAGE, "application/json")]

    async def _items(self, kind: Kind, namespace: str | None, limit: int, accept: str) -> AsyncIterator[Body]:
        query = {"limit": str(limit)}
        while True:
            page = await self._call("GET", _list_path(kind, namespace), query=query, accept=accept)
            for item in page.get("items") or ():
                yield item
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return
            query = {"limit": str(limit), "continue": following}

    async def patch_status(self, kind: Kind, resource: Resource, patch: Mapping[str, Any]) -> Body:
        """Merge a patch into a status, if the object is still as it was seen; return its metadata after that.

        A status belongs to the state that was looked at. Written to another state (a later spec, or one of a restored etcd) it would claim
        an `observedGeneration` that was never observed.
        """
        body = {"metadata": {"uid": resource.uid, "resourceVersion": resource.version}, "status": patch}
        path = _path(kind, resource.namespace, resource.name) + "/status"
        answer = await self._call("PATCH", path, body, content_type=_MERGE_PATCH, accept=_ONLY_METADATA, query=_managed())
        metadata: Body = answer["metadata"]
        return metadata

    async def set_finalizers(self, kind: Kind, resource: Resource, finalizers: Iterable[str]) -> Body:
        """Replace the finalizers, if the object is still as it was seen; return its metadata after that."""
        body = {"metadata": {"uid": resource.uid, "resourceVersion": resource.version, "finalizers": list(finalizers)}}
        path = _path(kind, resource.namespace, resource.name)
        answer = await self._call("PATCH", path, body, content_type=_MERGE_PATCH, accept=_ONLY_METADATA, query=_managed())
        metadata: Body = answer["metadata"]
        return metadata

    async def post_event(self, namespace: str, event: Body) -> None:
        """Create an Event."""
        await self._call("POST", f"/api/v1/namespaces/{quote(namespace)}/events", event, accept=_ONLY_METADATA, query=_managed())

    async def repeat_event(self, namespace: str, name: str, count: int, at: str) -> None:
        """Say of an Event that was posted that it happened again."""
        path = f"/api/v1/namespaces/{quote(namespace)}/events/{quote(name)}"
        patch = {"count": count, "lastTimestamp": at}
        await self._call("PATCH", path, patch, content_type=_MERGE_PATCH, accept=_ONLY_METADATA, query=_managed())

    async def read_secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """Return a Secret's data. Raises OperatorProblem: SecretNotFound, SecretForbidden, APIServerUnreachable."""
        try:
            body = await self._call("GET", f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        except ClusterError as error:
            raise _secret_problem(error, name) from None
        try:
            return {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}
        except (binascii.Error, ValueError):  # the API server refuses such a Secret
            raise OperatorProblem(SECRET_NOT_FOUND, f"Secret {name} holds no base64: write it again.") from None

    def read_secret_from_thread(self, namespace: str, name: str) -> dict[str, bytes]:
        """Return a Secret's data, called by a thread that is not the event loop's. Raises as `read_secret`."""
        future = asyncio.run_coroutine_threadsafe(self.read_secret(namespace, name), self._loop)
        try:
            return future.result(REQUEST_TIMEOUT + CONNECT_TIMEOUT)
        except TimeoutError:
            future.cancel()
            raise OperatorProblem(API_SERVER_UNREACHABLE, f"Secret {name} could not be read in time: it is tried again.") from None

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Body:
        """Make a request; once more with new credentials if these were refused. Raises ClusterError."""
        for attempt in (1, 2):
            status, content = await self._request(method, path, body, query, content_type, accept)
            self._seen(method, status)
            if status == 401 and attempt == 1:
                self._read_at = float("-inf")
                continue
            break
        if status >= 300:
            # The answer's text may quote what was sent, so it goes nowhere.
            raise ClusterError(status, f"{method} {path}")
        decoded: Body = msgspec.json.decode(content)
        return decoded

    async def _request(
        self, method: str, path: str, body: object, query: Mapping[str, str] | None, content_type: str, accept: str
    ) -> tuple[int, bytes]:
        headers = {"Accept": accept, **self._credentials()}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            async with self._session.request(
                method,
                self._info.server.rstrip("/") + path,
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                proxy=self._info.proxy_url,
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._seen(method, 0)
            raise ClusterError(0, f"{method} {path} ({type(error).__name__})") from None

    def _credentials(self) -> dict[str, str]:
        if time.monotonic() - self._read_at > LOGIN_FRESH:
            self._info, self._read_at = self._login(), time.monotonic()
        return self._info.as_http_headers()


def _list_path(kind: Kind, namespace: str | None) -> str:
    return f"/apis/{GROUP}/{VERSION}/" + (f"namespaces/{quote(namespace)}/" if namespace else "") + kind.plural


def _path(kind: Kind, namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/{kind.plural}/{quote(name)}"


def _managed() -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER}


def _secret_problem(error: ClusterError, name: str) -> OperatorProblem:
    if error.gone:
        return OperatorProblem(SECRET_NOT_FOUND, f"There is no Secret {name} in this namespace: create it, or correct the reference.")
    if error.status == 403:
        return OperatorProblem(SECRET_FORBIDDEN, f"The operator may not read Secret {name}: extend its Role.")
    return OperatorProblem(API_SERVER_UNREACHABLE, f"Secret {name} could not be read: the API server did not answer; it is tried again.")
