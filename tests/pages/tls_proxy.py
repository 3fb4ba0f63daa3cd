"""A proxy with TLS before the pages, as an Ingress is: it forwards with X-Forwarded-Proto, -Host and -For."""

import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stanine.pages.serving import listen

#: Headers of one connection, and those that describe a body as it was sent on it.
_OWN = {"connection", "content-length", "transfer-encoding", "content-encoding"}


@contextmanager
def tls_proxy(target: str, directory: Path) -> Iterator[str]:
    """Forward to an address; yield the address of the proxy, whose certificate nobody has signed."""
    files = {"key": directory / "tls.key", "cert": directory / "tls.crt"}
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-keyout", str(files["key"]), "-out", str(files["cert"])),
        ],
        check=True,
        capture_output=True,
    )
    inner = httpx.AsyncClient(base_url=target, trust_env=False, timeout=60)

    async def forward(request: Request) -> Response:
        headers = [
            *((name, value) for name, value in request.headers.items() if name not in _OWN),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", request.headers["host"]),
            ("x-forwarded-for", request.client.host if request.client else ""),
        ]
        got = await inner.request(
            request.method, str(request.url.path), params=request.query_params, headers=headers,
            content=await request.body(),
        )  # fmt: skip
        answer = Response(got.content, got.status_code)
        answer.raw_headers += [
            (name.lower(), value)
            for name, value in got.headers.raw
            if name.lower().decode() not in _OWN
        ]
        return answer

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await inner.aclose()

    routes = [Route("/{path:path}", forward, methods=["GET", "POST", "PATCH"])]
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        Starlette(routes=routes, lifespan=lifespan),
        loop="asyncio",
        log_config=None,
        ssl_keyfile=files["key"],
        ssl_certfile=files["cert"],
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
