"""The guarded connection with a test application: answers that the API never sends, too."""

import asyncio
import resource
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stanine.api.web.guard import CONNECTION
from stanine.api.web.server import listen, serve

REQUEST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


class Echo:
    """Answers with the path and the body: whole (/whole), in parts (/parts), too short, or with a line break in a header."""

    def __init__(self) -> None:
        self.had_all: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        self.had_all.append(scope["state"][CONNECTION].has_all)
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        answer = scope["raw_path"] + b" " + body
        headers = (
            []
            if scope["path"] == "/parts"
            else [(b"content-length", b"%d" % (len(answer) + (scope["path"] == "/short")))]
        )
        if scope["path"] == "/broken":
            headers.append((b"location", b"/x\r\nset-cookie: y"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/parts":
            await send({"type": "http.response.body", "body": answer[:4], "more_body": True})
            await send({"type": "http.response.body", "body": answer[4:], "more_body": True})
            await send({"type": "http.response.body"})
        else:
            await send({"type": "http.response.body", "body": answer})


class Served:
    """The application behind the real server, in a thread."""

    def __init__(self) -> None:
        self.echo = Echo()
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(serve(self.echo, listener, self._stopping))
        )
        self._thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def exchange(self, sent: bytes) -> bytes:
        """Send data; return everything received until the server closes or is silent."""
        with self.connect() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._loop.close()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr("stanine.api.web.server.KEEP_ALIVE_SECONDS", 0.4)
    served = Served()
    try:
        yield served
    finally:
        served.stop()


def receive(connection: socket.socket, wanted: bytes) -> bytes:
    answer = b""
    while not answer.endswith(wanted):
        part = connection.recv(65536)
        assert part, answer
        answer += part
    return answer


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"".join(REQUEST % b"/%d" % number for number in range(5)))
        answers = receive(connection, b"/4 abc")
    assert [answers.index(b"/%d abc" % number) for number in range(5)] == sorted(
        answers.index(b"/%d abc" % n) for n in range(5)
    )
    assert (
        answers.count(b"HTTP/1.1 200 OK\r\n")
        == answers.count(b"content-length: 6\r\n")
        == answers.count(b"date: ")
        == 5
    )


def test_only_a_late_body_is_awaited(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall((REQUEST % b"/late")[:-1])
        while not served.echo.had_all:
            threading.Event().wait(0.01)
        connection.sendall(b"c")
        receive(connection, b"/late abc")
        connection.sendall(REQUEST % b"/whole")
        receive(connection, b"/whole abc")
    assert served.echo.had_all == [False, True]


def test_expect_100_continue_is_answered(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(
            b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert receive(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert receive(connection, b"/x abc").startswith(b"HTTP/1.1 200 OK")


def test_an_answer_without_a_length_is_sent_in_parts(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(REQUEST % b"/parts")
        answer = receive(connection, b"0\r\n\r\n")
    assert b"transfer-encoding: chunked\r\n" in answer
    assert answer.partition(b"\r\n\r\n")[2] == b"4\r\n/par\r\n6\r\nts abc\r\n0\r\n\r\n"


def test_a_head_request_has_an_answer_without_body(served: Served) -> None:
    answer = served.exchange(b"HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"content-length: 3\r\n" in answer
    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_an_answer_with_a_line_break_in_a_header_is_not_begun(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect() as connection:
        connection.sendall(REQUEST % b"/broken")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"set-cookie" not in answer
    assert b"200 OK" not in answer
    assert "RuntimeError" in caplog.text


def test_an_answer_shorter_than_its_length_aborts_the_connection(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with served.connect() as connection:
        connection.sendall(REQUEST % b"/short")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"content-length: 11\r\n" in answer
    assert answer.endswith(b"\r\n\r\n/short abc")
    assert "RuntimeError" in caplog.text


def test_a_connection_is_kept_alive_while_used_and_closed_when_idle(served: Served) -> None:
    with served.connect() as connection:
        for _ in range(4):
            connection.sendall(REQUEST % b"/x")
            receive(connection, b"/x abc")
            threading.Event().wait(0.2)
        connection.settimeout(2)
        assert connection.recv(10) == b""


def test_a_client_with_many_connections_does_not_exclude_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "stanine.api.web.guard.RESERVED_FILES", resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    )
    served = Served()
    held: list[socket.socket] = []
    try:
        with served.connect() as working:
            working.sendall((REQUEST % b"/kept")[:-1])
            while not served.echo.had_all:
                threading.Event().wait(0.01)
            for number in range(80):
                held.append(served.connect())
                held[-1].sendall(b"GET /" if number % 2 else b"")
            with served.connect() as connection:
                connection.sendall(REQUEST % b"/served")
                receive(connection, b"/served abc")
            working.sendall(b"c")
            receive(working, b"/kept abc")
    finally:
        for each in held:
            each.close()
        served.stop()
