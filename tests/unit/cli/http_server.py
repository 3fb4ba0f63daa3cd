"""A client of the API with a test's function as the server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from stanine.client import NO_RETRIES, Stanine

Handler = Callable[[httpx.Request], httpx.Response]


@contextmanager
def served_by(handler: Handler) -> Iterator[Stanine]:
    """Yield a client that sends each request once, to `handler`."""
    with httpx.Client(transport=httpx.MockTransport(handler)) as http:
        yield Stanine("http://api.test", "key", retries=NO_RETRIES, http_client=http)


def problem(status: int, code: str, **members: Any) -> httpx.Response:
    """Return an answer with a problem document."""
    known = {"type": f"urn:stanine:problem:{code}", "title": "Title", "status": status}
    return httpx.Response(status, json=known | members)
