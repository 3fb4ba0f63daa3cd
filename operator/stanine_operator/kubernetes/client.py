"""The one way to the API server beside kopf's watches: kubernetes.aio. Used by the operator, the hook before an uninstall, and the tests.

kubernetes.aio has the credentials, TLS and connections. Its generic client is used and answers are read with msgspec: its classes for each
kind of object would take 24 MB more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException

from stanine.telemetry.logs import get_log
from stanine_operator.kubernetes.credentials import (
    ClusterCredentials,
    ClusterCredentialsError,
    load_credentials,
)

#: Seconds that a request may take in all, and to connect.
REQUEST_TIMEOUT, CONNECT_TIMEOUT = 15.0, 5.0
#: Requests under way at the same time; the API server's own fairness queues the rest.
CONNECTIONS = 32
#: Seconds after which the credentials are read again: a service account's token is replaced within the hour.
CREDENTIALS_FRESH = 60.0
#: The name under which requests are made, and that the API server notes as the owner of what is written.
FIELD_MANAGER = "stanine-operator"
#: Content types of patches: members are replaced; and what `kubectl apply --server-side` sends.
MERGE_PATCH, APPLY_PATCH = "application/merge-patch+json", "application/apply-patch+yaml"

_JSON = "application/json"
_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=CONNECT_TIMEOUT)

Body = dict[str, Any]


class ClusterError(Exception):
    """The API server refused a request or could not be reached; `status` is HTTP's, 0 if there was no answer. The loop tries again."""

    def __init__(self, status: int, what: str, answer: bytes = b"") -> None:
        super().__init__(f"{what}: {status or 'no answer'}")
        self.status = status
        #: The API server's words, which may quote what was sent: for tests.
        self.answer = answer.decode(errors="replace")

    @property
    def not_found(self) -> bool:
        """Whether the object is not there any more."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """Whether the object is not what it was when it was seen: the newer state is on its way here."""
        return self.status == 409

    @property
    def unavailable(self) -> bool:
        """Whether the API server is what is at fault, not the request."""
        return self.status in (0, 429) or self.status >= 500


class Client:
    """Requests to the API server. Made by `connect`, in the event loop that it is used in."""

    def __init__(
        self,
        login: ClusterCredentials,
        read: Callable[[], Awaitable[ClusterCredentials]],
        seen: Callable[[str, int], None],
    ) -> None:
        self._credentials, self._read, self._seen = login, read, seen
        self._read_at = time.monotonic()
        self._client = _make_client(login)
        self._reading = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        read: Callable[[], Awaitable[ClusterCredentials]] = load_credentials,
        *,
        seen: Callable[[str, int], None] = lambda _method, _status: None,
    ) -> "Client":
        """Log in. `seen` is told each request's method and status, for the metrics. Raises LoginError."""
        return cls(await read(), read, seen)

    @property
    def namespace(self) -> str | None:
        """The namespace of the pod, or of the kubeconfig's context."""
        return self._credentials.namespace

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Body:
        """Make a request; once more with new credentials if these were refused. Raises ClusterError."""
        for attempt in (1, 2):
            await self._refresh(at_once=attempt == 2)
            status, content = await self._request(method, path, body, query, content_type, accept)
            self._seen(method, status)
            if status != 401:
                break
        if status >= 300:
            raise ClusterError(status, f"{method} {path}", content)
        decoded: Body = msgspec.json.decode(content)
        return decoded

    async def items(
        self, path: str, limit: int, *, query: Mapping[str, str] | None = None, accept: str = _JSON
    ) -> AsyncIterator[Body]:
        """Yield what is listed at a path, `limit` objects a request. Raises ClusterError."""
        first = {**(query or {}), "limit": str(limit)}
        following = ""
        while True:
            page = await self.call(
                "GET",
                path,
                query={**first, "continue": following} if following else first,
                accept=accept,
            )
            for item in page.get("items") or ():
                yield item
            following = (page.get("metadata") or {}).get("continue") or ""
            if not following:
                return

    async def _request(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str] | None,
        content_type: str,
        accept: str,
    ) -> tuple[int, bytes]:
        headers = {"Accept": accept, "User-Agent": FIELD_MANAGER, "Content-Type": content_type}
        if self._credentials.authorization:
            headers["Authorization"] = self._credentials.authorization
        url = (
            self._credentials.configuration.host.rstrip("/")
            + path
            + (f"?{urlencode(query)}" if query else "")
        )
        try:
            answer = await self._client.call_api(
                method, url, headers, body, _request_timeout=_TIMEOUT
            )
            return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ApiException) as error:
            self._seen(method, 0)
            raise ClusterError(0, f"{method} {path} ({type(error).__name__})") from None

    async def _refresh(self, *, at_once: bool) -> None:
        """Read the credentials again if they are no longer fresh; if that fails, go on with those that are known."""
        async with self._reading:
            if not at_once and (
                time.monotonic() - self._read_at <= CREDENTIALS_FRESH
                or self._credentials.lasts(datetime.now(UTC))
            ):
                return
            self._read_at = time.monotonic()
            try:
                login = await self._read()
            except ClusterCredentialsError as error:
                get_log().warning("login.failed", detail=str(error))
                return
            before, self._credentials = self._credentials, login
            if _transport(before) != _transport(login):
                old, self._client = self._client, _make_client(login)
                await old.close()  # what it is doing is tried again


def _make_client(
    login: ClusterCredentials,
) -> Any:  # kubernetes.aio tells no types of what is used here
    login.configuration.connection_pool_maxsize = CONNECTIONS
    return ApiClient(login.configuration)


def _transport(login: ClusterCredentials) -> tuple[object, ...]:
    """Return what connections are made with."""
    each = login.configuration
    return (
        each.host,
        each.ssl_ca_cert,
        each.cert_file,
        each.key_file,
        each.verify_ssl,
        each.tls_server_name,
        each.proxy,
    )
