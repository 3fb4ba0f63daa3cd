"""Runs the ASGI application behind uvicorn, in this very process, until told to stop. Called by `main`.

Why uvicorn: docs/explanation/decisions/0002-http-server.md.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn

from stanine.api.web.guard import Guard

#: Connections that wait to be accepted.
BACKLOG = 1024
#: Seconds that an idle connection is kept: above the 60 s after which the usual load balancers drop theirs.
KEEP_ALIVE_SECONDS = 65
#: Seconds for requests that have begun, once nothing new is taken: below the grace that `stanine up` (10 s) gives.
GRACE_SECONDS = 8
#: Seconds between looks for the end of the start.
_POLL = 0.02


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `main`."""
        yield

    def send_away(self) -> None:
        """End every connection with its next answer, so that callers who keep theirs open go to another process."""
        closing = (b"connection", b"close")
        self.config.encoded_headers.append(
            closing
        )  # these are put on every answer, renewed once a second
        self.server_state.default_headers = [*self.server_state.default_headers, closing]


def listen(host: str, port: int) -> socket.socket:
    """Bind an address; port 0 is a free one. Raises OSError if it cannot be had."""
    listener = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
    )
    # Inherited by every connection. uvloop does it anyway; asyncio's own loop does not, and each answer would wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(
    app: Any,
    listener: socket.socket,
    stopping: asyncio.Event,
    *,
    drain_seconds: float = 0,
    grace_seconds: int = GRACE_SECONDS,
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Serve until `stopping` is set and for `drain_seconds` more, then take nothing new and finish the requests that have begun.

    The drain is the time in which load balancers learn that this process is leaving; meanwhile each answer closes its connection.
    `ending` is called after it, before the requests that have begun get their last `grace_seconds`.
    """
    guard = Guard(app, KEEP_ALIVE_SECONDS)
    server = _Server(
        uvicorn.Config(
            guard.serve,
            http=cast("type[asyncio.Protocol]", guard.connect),  # uvicorn only calls it
            interface="asgi3",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=grace_seconds,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(guard.watch())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if drain_seconds > 0 and not serving.done():
        server.send_away()
        await asyncio.wait([serving], timeout=drain_seconds)
    ending()
    server.should_exit = True
    try:
        await serving
    finally:
        watching.cancel()
