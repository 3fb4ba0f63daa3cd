"""Runs the ASGI application with uvicorn in this process, until stopped. Called by `main`.

Why uvicorn: docs/explanation/decisions/0002-http-server.md.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn

from stanine.api.web.guard import Guard

#: Maximum connections that wait to be accepted.
BACKLOG = 1024
#: Seconds that an idle connection is kept: longer than the 60 s of common load balancers.
KEEP_ALIVE_SECONDS = 65
#: Seconds for open requests after the listener is closed: shorter than the grace period of `stanine up` (10 s).
GRACE_SECONDS = 8
#: Seconds between checks during the start.
_POLL = 0.02


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signal handling to `main`."""
        yield

    def send_away(self) -> None:
        """Close connections after their next answer, so that clients connect to other processes."""
        closing = (b"connection", b"close")
        self.config.encoded_headers.append(
            closing
        )  # uvicorn sends these with every answer and renews them once a second
        self.server_state.default_headers = [*self.server_state.default_headers, closing]


def listen(host: str, port: int) -> socket.socket:
    """Bind an address; port 0 selects a free one. Raises OSError if it is unavailable."""
    listener = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
    )
    # Inherited by every connection. uvloop sets it, asyncio's own loop does not; each answer would wait 40 ms for
    # an ACK.
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
    """Serve until `stopping` is set and for `drain_seconds` more; then finish the open requests.

    During the drain load balancers learn that this process is leaving, and each answer closes its connection. After
    it `ending` is called, and open requests get `grace_seconds`.
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
