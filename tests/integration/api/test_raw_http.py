"""The HTTP server with raw sockets: no lost bodies, bounded resources without a key.

Every test runs directly and through a TLS proxy. Most tests use a separate process with shorter timeouts, so that
its memory, sockets and objects can be read afterwards.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.conftest import Server
from tests.integration.api.raw import (
    AUTHORIZATION,
    HEALTH,
    Dial,
    Process,
    TlsProxy,
    answer_of,
    api_process,
    dial_plain,
    ends,
    send_until_closed,
    until,
)
from tests.integration.api.serving import Serving

ATTEMPTS = b"/v1/instruments/a-mood/attempts"
#: Headers that java.net.http.HttpClient sends to http:// by default, and similar ones of a browser.
UPGRADES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    b"upgrade: h2c\r\nconnection: upgrade\r\n",
    b"Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
)


@pytest.fixture(scope="module", params=["direct", "TLS"])
def dial(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dial]:
    if request.param == "direct":
        yield dial_plain
        return
    proxy = TlsProxy(tmp_path_factory.mktemp("ca"))
    yield proxy.dial
    proxy.stop()


@pytest.fixture(scope="module")
def process(
    valkey: Server, tmp_path_factory: pytest.TempPathFactory, dial: Dial
) -> Iterator[Process]:
    with api_process(valkey.url, tmp_path_factory.mktemp("raw"), dial) as process:
        yield process


def post(body: bytes, more: bytes = b"", path: bytes = ATTEMPTS) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n" % path + AUTHORIZATION
    return head + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


# No body is lost.


@pytest.mark.parametrize("upgrade", UPGRADES)
@pytest.mark.parametrize("cut", [None, 10, 90, -14, -3, 1])
def test_a_request_with_upgrade_is_served_with_its_body(
    dial: Dial, mood: Serving, upgrade: bytes, cut: int | None
) -> None:
    whole = post(b'{"answers":{"i1":1}}', upgrade)
    with dial(mood.port) as connection:
        if cut == 1:
            for place in range(len(whole)):
                connection.sendall(whole[place : place + 1])
        else:
            for part in (whole[:cut], whole[cut:]) if cut else (whole,):
                connection.sendall(part)
                time.sleep(0.05)
        assert answer_of(connection)[0] == 202
        connection.sendall(HEALTH)  # the connection continues as HTTP/1.1
        assert answer_of(connection)[0] == 200


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_bulk_request_with_upgrade_answers_every_line(
    dial: Dial, mood: Serving, upgrade: bytes
) -> None:
    lines = b"".join(b'{"key":"u%d","answers":{"i1":1}}\n' % number for number in range(500))
    chunks = (
        b"".join(
            b"%x\r\n%b\r\n" % (len(part), part) for part in (lines[:7], lines[7:9000], lines[9000:])
        )
        + b"0\r\n\r\n"
    )
    head = (
        b"POST %b:bulk HTTP/1.1\r\nHost: x\r\n" % ATTEMPTS
        + AUTHORIZATION
        + upgrade
        + b"Transfer-Encoding: chunked\r\n\r\n"
    )
    with dial(mood.port) as connection:
        connection.sendall(head)
        time.sleep(0.05)
        connection.sendall(chunks)
        status, body = answer_of(connection)
    assert status == 200
    assert body.count(b'"status":202') == 500


def test_a_pipelined_upgrade_is_rejected_and_its_body_is_not_parsed(
    dial: Dial, shared: Serving
) -> None:
    smuggled = b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n" + AUTHORIZATION + b"\r\n"
    with dial(shared.port) as connection:
        connection.sendall(HEALTH + post(smuggled, UPGRADES[0]))
        answer = ends(connection)
    assert b"a-mood" not in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_connect_is_rejected(dial: Dial, shared: Serving) -> None:
    with dial(shared.port) as connection:
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
def test_invalid_http_is_answered_with_a_problem(dial: Dial, shared: Serving, sent: bytes) -> None:
    with dial(shared.port) as connection:
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
def test_a_missing_or_repeated_host_is_rejected(dial: Dial, shared: Serving, sent: bytes) -> None:
    with dial(shared.port) as connection:
        connection.sendall(sent)
        status, body = answer_of(connection)
    assert status == 400
    assert json.loads(body)["detail"] == "Send Host exactly once."


@pytest.mark.parametrize(
    "sent", [b"GET /healthz HTTP/1.0\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n"]
)
def test_an_empty_host_and_http_1_0_without_one_are_served(
    dial: Dial, shared: Serving, sent: bytes
) -> None:
    with dial(shared.port) as connection:
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
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X-More: %b\r\n" % (b"y" * 1000),
        ),
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
            b"y" * 1000,
        ),
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
            b"y" * 1000,
        ),
        (
            b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1\r\nx\r\n" * 9
            + b"1;",
            b"y" * 1000,
        ),
    ],
    ids=[
        "headers",
        "header",
        "target",
        "empty lines",
        "trailers",
        "trailer",
        "extension",
        "extension later",
    ],
)
@pytest.mark.parametrize("bulk", [1, 64], ids=["small segments", "large segments"])
def test_bytes_outside_bodies_are_bounded(
    process: Process, head: bytes, part: bytes, bulk: int
) -> None:
    before = process.memory()
    with process.connect() as connection:
        connection.sendall(head)
        assert send_until_closed(connection, part * bulk, 100_000 // bulk)  # 100 MB
    assert process.is_alive()
    assert process.memory() - before < 24


def test_a_large_head_in_one_segment_is_rejected(process: Process) -> None:
    for size in (42 << 10, 60_000, 200_000):
        with process.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"y" * size))
            assert b" 200 " not in ends(connection)
    with process.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"y" * 30_000))
        assert answer_of(connection)[0] in {200, 503}


def test_thousands_of_requests_in_one_segment_are_rejected(process: Process) -> None:
    before = process.memory()
    for _ in range(5):
        with process.connect() as connection:
            with suppress(OSError):  # the server may close before it has received everything
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
            headers = dict(
                line.rstrip().lower().split(b": ", 1) for line in iter(file.readline, b"\r\n")
            )
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
def test_every_connection_is_closed_eventually(process: Process, sent: bytes, drip: bytes) -> None:
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


def test_clients_that_never_read_are_disconnected_and_their_memory_is_freed(
    process: Process,
) -> None:
    file = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with process.connect() as connection:
        connection.sendall(file)
        assert len(answer_of(connection)[1]) > 1_000_000
    before, sockets = process.memory(), process.sockets()
    clients = []
    for _ in range(60):
        client = process.connect(receive_buffer=4096)
        client.sendall(file * 8)
        clients.append(client)
    time.sleep(0.5)
    assert process.memory() - before < 48
    until(lambda: process.sockets() <= sockets)
    assert process.is_alive()
    for client in clients:
        client.close()


def test_a_slow_reader_gets_the_whole_answer(process: Process) -> None:
    with process.connect(receive_buffer=65536) as client:
        client.sendall(
            b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        taken, began = 0, time.monotonic()
        while part := client.recv(40_000):  # longer than WRITE_SECONDS in total
            taken += len(part)
            if time.monotonic() - began < 5:
                time.sleep(0.1)
    assert taken > 1_000_000


# No leaks.


def test_requests_create_no_reference_cycles(process: Process) -> None:
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
    assert (
        after - before < 1000
    )  # less than one per two requests: loops of the process create some too
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


def test_idle_connections_do_not_exhaust_a_process_with_few_files(
    valkey: Server, tmp_path: Path, dial: Dial
) -> None:
    with api_process(valkey.url, tmp_path, dial, files=64) as process:
        held = []
        for number in range(80):
            connection = process.connect()
            connection.sendall((b"", HEALTH, b"GET /", HEALTH + b"\r\n")[number % 4])
            held.append(connection)
        with process.connect() as connection:
            connection.sendall(HEALTH)
            assert answer_of(connection)[0] == 200
        for connection in held:
            connection.close()


# No request smuggling.

SMUGGLED = b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n" + AUTHORIZATION + b"\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n",
        b"Content-Length: %d\r\nContent-Length: 0\r\n",
        b"Content-Length: +0\r\n",
        b"Content-Length: 0x0\r\n",
        b"Content-Length: 0, %d\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length : 0\r\n",
        b"Content-Length:\r\n 0\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n",
        b"X: \x00\r\nContent-Length: 0\r\n",
    ],
)
def test_a_body_of_ambiguous_length_is_not_a_second_request(
    dial: Dial, shared: Serving, framing: bytes
) -> None:
    framing = framing.replace(b"%d", b"%d" % (len(SMUGGLED) + 5))
    with dial(shared.port) as connection:
        connection.sendall(
            b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n0\r\n\r\n" + SMUGGLED
        )
        answer = ends(connection)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"a-mood" not in answer
