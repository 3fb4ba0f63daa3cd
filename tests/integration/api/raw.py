"""Raw sockets to an API process, directly or through a TLS proxy, with checks for leaks."""

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tests.certificates import make_authority
from tests.conftest import free_port
from tests.integration.api.serving import ADMIN, write_keys

AUTHORIZATION = b"Authorization: Bearer " + ADMIN.encode() + b"\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
#: Starts the API with shorter timeouts and an optional limit of open files; prints its number of objects at
#: SIGUSR1.
_SHORTENED = """
import gc, resource, signal, sys
from stanine.api.web import guard
from stanine.api.web import server
from stanine.api import main
guard.HEAD_SECONDS = guard.DISCARD_SECONDS = 1.0
guard.WRITE_SECONDS = 2.0
guard.WATCH_SECONDS = 0.2
server.KEEP_ALIVE_SECONDS = 2
def count(*_):
    print("objects", len(gc.get_objects()), "garbage", gc.collect(), flush=True)
signal.signal(signal.SIGUSR1, count)
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
sys.exit(main.main(["--port", sys.argv[1]]))
"""

#: Connects to a port, optionally with a receive buffer of this size.
Dial = Callable[..., socket.socket]


def dial_plain(port: int, receive_buffer: int = 0) -> socket.socket:
    """Connect without the proxy."""
    client = socket.socket()
    client.settimeout(30)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port))
    return client


class Process:
    """An API process."""

    def __init__(
        self, process: "subprocess.Popen[str]", port: int, dial: Dial, redis_port: int
    ) -> None:
        self.process = process
        self.port = port
        self.dial = dial
        self._redis_port = redis_port

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        return self.dial(self.port, receive_buffer)

    def memory(self) -> int:
        """Its current memory in MiB."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) >> 8

    def sockets(self) -> int:
        """Its open files except connections to Redis, which stay open for later requests."""
        folder = Path(f"/proc/{self.process.pid}")
        rows = [line.split() for line in (folder / "net/tcp").read_text().splitlines()[1:]]
        pooled = {
            f"socket:[{row[9]}]"
            for row in rows
            if int(row[2].rpartition(":")[2], 16) == self._redis_port
        }
        found = 0
        for each in (folder / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found += str(each.readlink()) not in pooled
        return found

    def objects(self) -> tuple[int, int]:
        """Its number of Python objects, and of those that only the garbage collector freed."""
        self.process.send_signal(10)
        assert self.process.stdout is not None
        while not (line := self.process.stdout.readline()).startswith("objects"):
            assert line
        words = line.split()
        return int(words[1]), int(words[3])

    def is_alive(self) -> bool:
        with dial_plain(self.port) as connection:
            connection.sendall(HEALTH)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")


@contextlib.contextmanager
def api_process(redis_url: str, folder: Path, dial: Dial, files: int = 0) -> Iterator[Process]:
    """Start the API; check at the end that it leaked no sockets and little memory."""
    write_keys(folder / "keys.json")
    port = free_port()
    environment: Mapping[str, str] = {
        **os.environ,
        "STANINE_REDIS_URL": redis_url,
        "STANINE_KEYS_FILE": str(folder / "keys.json"),
        "STANINE_NAMESPACE": f"raw-{secrets.token_hex(4)}",
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-c", _SHORTENED, str(port), str(files)]
        started = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    process = Process(started, port, dial, urlsplit(redis_url).port or 0)
    try:
        until(lambda: not _refuses(port))
        assert process.is_alive()
        memory, sockets = process.memory(), process.sockets()
        yield process
        assert process.is_alive()
        until(lambda: process.sockets() <= sockets + _LATER)
        assert process.memory() - memory < 64
    finally:
        started.kill()
        started.communicate()


#: Maximum files that a process opens after its start and keeps.
_LATER = 2


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return True
    return False


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; the timeout is long, because the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ends(connection: socket.socket) -> bytes:
    """Read until the server closes the connection; the socket's timeout fails the test."""
    answer = b""
    while True:
        try:
            part = connection.recv(1 << 20)
        except ConnectionError:
            return answer
        if not part:
            return answer
        answer += part


def send_until_closed(connection: socket.socket, part: bytes, times: int) -> bool:
    """Send a part repeatedly; return whether the server closed before all was sent."""
    try:
        for _ in range(times):
            connection.sendall(part)
    except OSError:
        return True
    return False


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer with a length or chunks; return its status and body."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = dict(
            line.rstrip().lower().split(b": ", 1) for line in iter(file.readline, b"\r\n")
        )
        if b"content-length" in headers:
            return status, file.read(int(headers[b"content-length"]))
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return status, body


class TlsProxy:
    """Terminates TLS in a thread and forwards bytes unchanged; one port per target port."""

    def __init__(self, folder: Path) -> None:
        authority = make_authority(folder)
        certificate, key = authority.issue("localhost")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._client = ssl.create_default_context(cafile=str(authority.certificate))
        self._loop = asyncio.new_event_loop()
        self._servers: dict[int, asyncio.Server] = {}
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def dial(self, port: int, receive_buffer: int = 0) -> socket.socket:
        """Connect to a port through the proxy."""
        if port not in self._servers:
            self._servers[port] = asyncio.run_coroutine_threadsafe(
                self._listen(port), self._loop
            ).result(30)
        plain = dial_plain(self._servers[port].sockets[0].getsockname()[1], receive_buffer)
        return self._client.wrap_socket(plain, server_hostname="localhost")

    async def _listen(self, behind: int) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reader_behind, writer_behind = await asyncio.open_connection("127.0.0.1", behind)
            await asyncio.gather(
                _pump(reader, writer_behind), _pump(reader_behind, writer), return_exceptions=True
            )

        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self._context)

    def stop(self) -> None:
        for server in self._servers.values():
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()
