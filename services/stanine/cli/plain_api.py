"""Requests to routes without a client method: session administration, erasure, explanations.

Used by the commands `invitations`, `erase`, `explain`, `tokens` and `publish`, through `connect_plain`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from stanine.cli.connection import connect, exit_of
from stanine.client import Stanine, StanineClientError
from stanine.client.errors import Problem
from stanine.client.messages import Call, Reply


@dataclass(frozen=True)
class Api:
    """Sends requests with the client's retries; returns the bytes of the answers."""

    client: Stanine
    server: str

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a request and return the body of the answer. Raises CliError."""
        call: Call[bytes] = Call(method, path, path, _body, headers=headers or {}, body=content)
        try:
            return self.client.call(call)
        except StanineClientError as error:
            raise exit_of(error, self.server) from None

    def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        return msgspec.json.decode(self.request("GET", path))

    def pages(self, path: str, *, limit: int) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list."""
        after: str | None = None
        while True:
            query = f"?limit={limit}" + (f"&after={after}" if after else "")
            page = self.get(path + query)
            yield page
            if not page["items"] or page["next"] in (None, after):
                return
            after = page["next"]


@contextmanager
def connect_plain(server: str, key: str | None) -> Iterator[Api]:
    """Open a client for such requests. Raises CliError."""
    with connect(server, key) as client:
        yield Api(client, server)


def explain_problem(problem: Mapping[str, Any], status: int) -> list[str]:
    """Return the texts of a problem document as lines."""
    read = msgspec.convert(problem, Problem, strict=False)
    return msgspec.structs.replace(read, status=status).lines()


def _body(reply: Reply) -> bytes:
    return reply.body
