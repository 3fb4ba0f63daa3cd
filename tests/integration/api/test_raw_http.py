"""The HTTP front door, tried with raw sockets: no body is lost, and nobody without a key takes memory, sockets or time without limit.

Most tests use a process of their own, so that its memory, sockets and objects can be read afterwards; times are shortened there. The same
requests go once through a proxy that terminates TLS.
"""

import asyncio
import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.certificates import make_authority
from tests.conftest import Server
from tests.integration.api.serving import ADMIN, Serving, write_keys

ATTEMPTS = b"/v1/instruments/a-mood/attempts"
AUTHORIZATION = b"Authorization: Bearer " + ADMIN.encode() + b"\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
#: Starts the API with shorter times, and prints its number of objects at SIGUSR1.
SHORTENED = """
import gc, signal, sys
from stanine.api import guard, main, server
guard.HEAD_SECONDS = guard.DISCARD_SECONDS = 1.0
guard.WRITE_SECONDS = 2.0
guard.WATCH_SECONDS = 0.2
server.KEEP_ALIVE_SECONDS = 2
def count(*_):
    print("objects", len(gc.get_objects()), "garbage", gc.collect(), flush=True)
signal.signal(signal.SIGUSR1, count)
sys.exit(main.main(["--port", sys.argv[1]]))
"""
#: What java.net.http.HttpClient sends to http:// by default, and a browser's like.
UPGRADES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    b"upgrade: h2c\r\nconnection: upgrade\r\n",
    b"Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
)


class Process:
    """An API process of the test's own."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def memory(self) -> int:
        """The memory that it has now, in MiB."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) >> 8

    def sockets(self) -> int:
        """Its open files: those of the connections to Redis included."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def objects(self) -> tuple[int, int]:
        """Its Python objects, and how many of them only the garbage collector freed."""
        self.process.send_signal(10)
        assert self.process.stdout is not None
        while not (line := self.process.stdout.readline()).startswith("objects"):
            assert line
        words = line.split()
        return int(words[1]), int(words[3])

    def is_alive(self) -> bool:
        with self.connect() as connection:
            connection.sendall(HEALTH)
            return connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.fixture(scope="module")
def process(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("raw")
    write_keys(folder / "keys.json")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "STANINE_REDIS_URL": valkey.url,
        "STANINE_KEYS_FILE": str(folder / "keys.json"),
        "STANINE_NAMESPACE": f"raw-{secrets.token_hex(4)}",
    }
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-c", SHORTENED, str(port)], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    process = Process(started, port)
    try:
        until(lambda: not refuses(port))
        yield process
        assert process.is_alive()
    finally:
        started.kill()
        started.communicate()


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return True
    return False


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait generously: the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ends(connection: socket.socket) -> bytes:
    """Read until the server closes; the socket's timeout fails the test."""
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
    """Send a part again and again; tell whether the server closed before all was taken."""
    try:
        for _ in range(times):
            connection.sendall(part)
    except OSError:
        return True
    return False


def answer_of(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer that has a length or chunks; return its status and body."""
    with connection.makefile("rb") as file:
        status = int(file.readline().split()[1])
        headers = dict(line.rstrip().lower().split(b": ", 1) for line in iter(file.readline, b"\r\n"))
        if b"content-length" in headers:
            return status, file.read(int(headers[b"content-length"]))
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return status, body


def post(body: bytes, more: bytes = b"", path: bytes = ATTEMPTS) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n" % path + AUTHORIZATION
    return head + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


# No body is lost.


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("cut", [None, 10, 90, -14, -3, 1])
def test_a_request_that_offers_an_upgrade_is_served_with_its_body(mood: Serving, upgrade: bytes, cut: int | None) -> None:
    whole = post(b'{"answers":{"i1":1}}', upgrade)
    with socket.create_connection(("127.0.0.1", mood.port), timeout=30) as connection:
        if cut == 1:
            for place in range(len(whole)):
                connection.sendall(whole[place : place + 1])
        else:
            for part in (whole[:cut], whole[cut:]) if cut else (whole,):
                connection.sendall(part)
                time.sleep(0.05)
        assert answer_of(connection)[0] == 202
        connection.sendall(HEALTH)  # the connection goes on as HTTP/1.1
        assert answer_of(connection)[0] == 200


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_bulk_that_offers_an_upgrade_answers_every_line(mood: Serving, upgrade: bytes) -> None:
    lines = b"".join(b'{"key":"u%d","answers":{"i1":1}}\n' % number for number in range(500))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (lines[:7], lines[7:9000], lines[9000:])) + b"0\r\n\r\n"
    head = b"POST %b:bulk HTTP/1.1\r\nHost: x\r\n" % ATTEMPTS + AUTHORIZATION + upgrade + b"Transfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", mood.port), timeout=30) as connection:
        connection.sendall(head)
        time.sleep(0.05)
        connection.sendall(chunks)
        status, body = answer_of(connection)
    assert status == 200
    assert body.count(b'"status":202') == 500


def test_an_upgrade_behind_another_request_is_refused_and_its_body_is_no_request(shared: Serving) -> None:
    smuggled = b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n" + AUTHORIZATION + b"\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(HEALTH + post(smuggled, UPGRADES[0]))
        answer = ends(connection)
    assert b"a-mood" not in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_connect_is_refused(shared: Serving) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" + HEALTH)
        answer = ends(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02",
    ],
)
def test_what_is_not_http_is_answered_with_a_problem(shared: Serving, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(sent)
        status, body = answer_of(connection)
    assert status == 400
    assert json.loads(body)["type"] == "urn:stanine:problem:malformed-request"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHOST: y\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHosts: x\r\n\r\n",
        post(b"{}").replace(b"Host: x\r\n", b""),
    ],
)
def test_a_missing_or_repeated_host_is_refused(shared: Serving, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(sent)
        status, body = answer_of(connection)
    assert status == 400
    assert json.loads(body)["detail"] == "Send Host exactly once."


@pytest.mark.parametrize("sent", [b"GET /healthz HTTP/1.0\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n"])
def test_an_empty_host_and_http_1_0_without_one_are_served(shared: Serving, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        connection.sendall(sent)
        assert answer_of(connection)[0] == 200


# Bytes are bounded.


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-More: %b\r\n" % (b"y" * 1000)),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"y" * 1000),
        (b"GET /", b"y" * 1000),
        (HEALTH, b"\r\n" * 500),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: %b\r\n" % (b"y" * 1000)),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"y" * 1000),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"y" * 1000),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 9 + b"1;", b"y" * 1000),
    ],
    ids=["headers", "header", "target", "empty lines", "trailers", "trailer", "extension", "extension later"],
)
@pytest.mark.parametrize("bulk", [1, 64], ids=["small segments", "large segments"])
def test_what_is_no_body_is_bounded(process: Process, head: bytes, part: bytes, bulk: int) -> None:
    before = process.memory()
    with process.connect() as connection:
        connection.sendall(head)
        assert send_until_closed(connection, part * bulk, 100_000 // bulk)  # 100 MB
    assert process.is_alive()
    assert process.memory() - before < 24


def test_a_large_head_in_one_segment_is_refused(process: Process) -> None:
    for size in (42 << 10, 60_000, 200_000):
        with process.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"y" * size))
            assert b" 200 " not in ends(connection)
    with process.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"y" * 30_000))
        assert answer_of(connection)[0] in {200, 503}


def test_thousands_of_requests_in_one_segment_are_refused(process: Process) -> None:
    before = process.memory()
    for _ in range(5):
        with process.connect() as connection:
            connection.sendall(HEALTH * 7000)
            ends(connection)
    assert process.memory() - before < 24


def test_a_hundred_requests_in_one_segment_are_answered(process: Process) -> None:
    with process.connect() as connection:
        connection.sendall(HEALTH * 100)
        assert [answer_of_stream[0] for answer_of_stream in answers(connection, 100)] == [200] * 100


def answers(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    with connection.makefile("rb") as file:
        found = []
        for _ in range(count):
            status = int(file.readline().split()[1])
            headers = dict(line.rstrip().lower().split(b": ", 1) for line in iter(file.readline, b"\r\n"))
            found.append((status, file.read(int(headers[b"content-length"]))))
        return found


# Time is bounded.


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET /he", b""),
        (b"GET /healthz HTTP/1.1\r\nX: ", b"y"),
        (HEALTH, b""),
        (HEALTH + b"\r\n", b""),
        (HEALTH, b"\r\n"),
        (HEALTH + b"GET", b""),
        (HEALTH, b"G"),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" % ATTEMPTS, b"x"),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX:", b"y"),
    ],
)
def test_no_connection_is_kept_without_end(process: Process, sent: bytes, drip: bytes) -> None:
    with process.connect() as connection:
        connection.sendall(sent)
        connection.settimeout(0.3)
        deadline = time.monotonic() + 60
        while True:
            try:
                if not connection.recv(65536):
                    break
            except TimeoutError:
                assert time.monotonic() < deadline
            except ConnectionError:
                break
            try:
                connection.sendall(drip)
            except OSError:
                break


def test_clients_that_never_read_are_disconnected_and_their_memory_is_free_again(process: Process) -> None:
    file = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with process.connect() as connection:
        connection.sendall(file)
        assert len(answer_of(connection)[1]) > 1_000_000
    before, sockets = process.memory(), process.sockets()
    clients = []
    for _ in range(60):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", process.port))
        client.sendall(file * 8)
        clients.append(client)
    time.sleep(0.5)
    assert process.memory() - before < 48
    until(lambda: process.sockets() <= sockets)
    assert process.is_alive()
    for client in clients:
        client.close()


def test_a_slow_reader_gets_its_whole_answer(process: Process) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect(("127.0.0.1", process.port))
        client.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken, began = 0, time.monotonic()
        while part := client.recv(40_000):  # longer than WRITE_SECONDS in all
            taken += len(part)
            if time.monotonic() - began < 5:
                time.sleep(0.1)
    assert taken > 1_000_000


# Nothing is left.


def test_requests_leave_no_objects_for_the_garbage_collector(process: Process) -> None:
    def ask(count: int) -> None:
        with process.connect() as connection:
            for _ in range(count):
                connection.sendall(post(b'{"answers":{"i1":1}}'))
                answer_of(connection)
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                answer_of(connection)

    ask(100)
    process.objects()
    before, _ = process.objects()
    ask(1000)
    after, garbage = process.objects()
    assert after - before < 1000  # less than one for two requests: loops of the process make some too
    assert garbage < 1000


def test_connections_leave_no_sockets_and_no_objects(process: Process) -> None:
    def open_and_close(count: int) -> None:
        for number in range(count):
            with process.connect() as connection:
                connection.sendall(HEALTH if number % 2 else HEALTH + b"GET / HTT")
                answer_of(connection)

    open_and_close(50)
    until(lambda: process.sockets() < 40)
    sockets = process.sockets()
    process.objects()
    before, _ = process.objects()
    open_and_close(500)
    until(lambda: process.sockets() <= sockets)
    after, garbage = process.objects()
    assert after - before < 500
    assert garbage < 500


# With TLS terminated in front.


class Proxy:
    """Terminates TLS and passes on bytes as they come, in a thread."""

    def __init__(self, context: ssl.SSLContext, behind: int) -> None:
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader_behind, writer_behind = await asyncio.open_connection("127.0.0.1", self._behind)
        await asyncio.gather(_pump(reader, writer_behind), _pump(reader_behind, writer), return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
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


@pytest.fixture
def tls(shared: Serving, tmp_path: Path) -> Iterator[Callable[[], socket.socket]]:
    authority = make_authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    proxy = Proxy(context, shared.port)
    client = ssl.create_default_context(cafile=str(authority.certificate))

    def connect() -> socket.socket:
        return client.wrap_socket(socket.create_connection(("127.0.0.1", proxy.port), timeout=30), server_hostname="localhost")

    try:
        yield connect
    finally:
        proxy.stop()


def test_the_same_holds_behind_a_proxy_that_terminates_tls(tls: Callable[[], socket.socket]) -> None:
    for upgrade in (b"", *UPGRADES):
        with tls() as connection:
            whole = post(b'{"answers":{"i1":1}}', upgrade)
            connection.sendall(whole[:-5])
            connection.sendall(whole[-5:])
            assert answer_of(connection)[0] == 202
    with tls() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"y" * 60_000))
        assert answer_of(connection)[0] == 400
