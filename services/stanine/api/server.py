"""Runs the ASGI application behind granian, in this very process, until told to stop. Called by `main`.

Why granian, and why embedded: docs/decisions/0002-http-server.md.
"""

import asyncio
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

#: Connections that wait to be accepted.
BACKLOG = 1024
#: Milliseconds in which a request's head must arrive.
HEAD_MS = 10_000


async def serve(app: Any, host: str, port: int, stopping: asyncio.Event) -> None:
    """Serve until `stopping` is set, then finish the requests that have begun."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MS),
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
        log_access=False,
    )
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
    await serving
