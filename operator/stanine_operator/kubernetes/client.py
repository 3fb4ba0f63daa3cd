"""HTTP client of the API server on top of kubernetes.aio.

Used for everything except kopf's watches. kubernetes.aio provides credentials, TLS and connections. Only its generic
client is used, and responses are decoded with msgspec: its classes for the kinds of objects would take 24 MB more
memory.
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

#: Seconds for a whole request, and to connect.
REQUEST_TIMEOUT, CONNECT_TIMEOUT = 15.0, 5.0
#: Maximum number of concurrent requests; the API server's priority and fairness queues further ones.
CONNECTIONS = 32
#: Seconds after which the credentials are read again: a service account token is rotated within the hour.
CREDENTIALS_FRESH = 60.0
#: User agent and field manager of all requests.
FIELD_MANAGER = "stanine-operator"
#: Content type of JSON merge patches.
MERGE_PATCH = "application/merge-patch+json"

_JSON = "application/json"
_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=CONNECT_TIMEOUT)

Body = dict[str, Any]


class ClusterError(Exception):
    """The API server rejected a request or was unreachable. Callers retry.

    `status` is the HTTP status, 0 if there was no response.
    """

    def __init__(self, status: int, what: str, answer: bytes = b"") -> None:
        super().__init__(f"{what}: {status or 'no answer'}")
        self.status = status
        #: The response body, which may quote the request: for tests only.
        self.answer = answer.decode(errors="replace")

    @property
    def not_found(self) -> bool:
        """Return whether the object does not exist."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """Return whether the object changed since it was read; the watch delivers the new state."""
        return self.status == 409

    @property
    def unavailable(self) -> bool:
        """Return whether the API server is unavailable, rather than the request invalid."""
        return self.status in (0, 429) or self.status >= 500


class Client:
    """Client of the API server. Created by `connect` in the event loop that uses it."""

    def __init__(
        self,
        credentials: ClusterCredentials,
        read: Callable[[], Awaitable[ClusterCredentials]],
        on_response: Callable[[str, int], None],
    ) -> None:
        self._credentials, self._read, self._on_response = credentials, read, on_response
        self._read_at = time.monotonic()
        self._client = _make_client(credentials)
        self._reading = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        read: Callable[[], Awaitable[ClusterCredentials]] = load_credentials,
        *,
        on_response: Callable[[str, int], None] = lambda _method, _status: None,
    ) -> "Client":
        """Load the credentials and return a client.

        `on_response` is called with the method and status of every request. Raises ClusterCredentialsError.
        """
        return cls(await read(), read, on_response)

    @property
    def namespace(self) -> str | None:
        """Return the namespace of the pod, or of the kubeconfig's context."""
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
        """Send a request; retry once with new credentials after a 401. Raises ClusterError."""
        for attempt in (1, 2):
            await self._refresh(at_once=attempt == 2)
            status, content = await self._request(method, path, body, query, content_type, accept)
            self._on_response(method, status)
            if status != 401:
                break
        if status >= 300:
            raise ClusterError(status, f"{method} {path}", content)
        decoded: Body = msgspec.json.decode(content)
        return decoded

    async def items(
        self, path: str, limit: int, *, query: Mapping[str, str] | None = None, accept: str = _JSON
    ) -> AsyncIterator[Body]:
        """Yield the objects listed at a path, `limit` per request. Raises ClusterError."""
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
            self._on_response(method, 0)
            raise ClusterError(0, f"{method} {path} ({type(error).__name__})") from None

    async def _refresh(self, *, at_once: bool) -> None:
        """Read the credentials again if they expired; keep the known ones if that fails."""
        async with self._reading:
            if not at_once and (
                time.monotonic() - self._read_at <= CREDENTIALS_FRESH
                or self._credentials.lasts(datetime.now(UTC))
            ):
                return
            self._read_at = time.monotonic()
            try:
                credentials = await self._read()
            except ClusterCredentialsError as error:
                get_log().warning("login.failed", detail=str(error))
                return
            before, self._credentials = self._credentials, credentials
            if _transport(before) != _transport(credentials):
                old, self._client = self._client, _make_client(credentials)
                await old.close()  # its running requests are retried


def _make_client(
    credentials: ClusterCredentials,
) -> Any:  # untyped in kubernetes.aio
    credentials.configuration.connection_pool_maxsize = CONNECTIONS
    return ApiClient(credentials.configuration)


def _transport(credentials: ClusterCredentials) -> tuple[object, ...]:
    """Return the parameters that determine a connection."""
    each = credentials.configuration
    return (
        each.host,
        each.ssl_ca_cert,
        each.cert_file,
        each.key_file,
        each.verify_ssl,
        each.tls_server_name,
        each.proxy,
    )
