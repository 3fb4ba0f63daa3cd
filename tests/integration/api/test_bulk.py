import concurrent.futures
import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.serving import ADMIN, Serving, key_entry, problem, write_keys

BULK = "/v1/instruments/a-mood/attempts:bulk"
NDJSON = {"content-type": "application/x-ndjson"}


def line(key: str | None = None, **more: Any) -> bytes:
    attempt: dict[str, Any] = {"answers": {"i1": 1, "i2": 2, "i3": 3}} | more
    if key is not None:
        attempt["key"] = key
    return json.dumps(attempt).encode() + b"\n"


def send(api: Serving, *lines: bytes) -> list[dict[str, Any]]:
    answer = api.http().post(BULK, content=b"".join(lines), headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(each) for each in answer.text.splitlines()]


def test_every_line_is_answered_by_a_line_in_order(shared: Serving) -> None:
    answers = send(shared, *[line(f"order-{number}") for number in range(1700)])
    assert [(each["line"], each["key"], each["status"]) for each in answers] == [
        (number + 1, f"order-{number}", 202) for number in range(1700)
    ]
    assert len({each["attempt"] for each in answers}) == 1700
    last = answers[-1]
    assert shared.http().get(f"/v1/attempts/{last['attempt']}").json()["key"] == "order-1699"
    assert (
        shared.http(last["token"]).get(f"/v1/attempts/{last['attempt']}/result").status_code == 202
    )


def test_an_invalid_line_gets_its_problem_and_the_others_are_accepted(shared: Serving) -> None:
    answers = send(
        shared,
        line("f1"),
        b"\n",
        b'{"broken\n',
        line(),
        line("f2", answers={"i1": 9, "zz": 1}),
        line("f1"),
        line("f1", answers={"i1": 2}),
        line("f3", revision=77),
        b'{"key":"f4","answers":{"i1":NaN}}\n',
        b"   \t \r\n",
        b'{"key":"f5","answers":{"i1":1}}',
    )
    assert [(each["line"], each["status"], each.get("key")) for each in answers] == [
        (1, 202, "f1"), (3, 422, None), (4, 422, None), (5, 422, "f2"), (6, 202, "f1"), (7, 409, "f1"), (8, 422, "f3"), (9, 422, None),
        (11, 202, "f5"),
    ]  # fmt: skip
    by_line = {each["line"]: each for each in answers}
    assert by_line[6]["attempt"] == by_line[1]["attempt"]
    assert by_line[6]["token"] == by_line[1]["token"]
    assert [number for number, each in by_line.items() if "repeated" in each] == [6]
    assert by_line[6]["repeated"] is True
    assert by_line[4]["problem"]["errors"][0]["pointer"] == "/key"
    assert {error["pointer"] for error in by_line[5]["problem"]["errors"]} == {
        "/answers/i1",
        "/answers/zz",
    }
    assert by_line[7]["problem"]["type"] == "urn:stanine:problem:key-conflict"
    assert by_line[8]["problem"]["errors"][0]["pointer"] == "/revision"


def test_sending_the_lines_again_adds_nothing(shared: Serving) -> None:
    lines = [line(f"again-{number}") for number in range(700)]
    arrived = int(shared.redis.get(shared.keys.arrivals) or 0)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        first, second, third = pool.map(lambda _: send(shared, *lines), range(3))
    for first_of, second_of, third_of in zip(first, second, third, strict=True):
        marks = [each.pop("repeated", None) for each in (first_of, second_of, third_of)]
        assert sorted(marks, key=bool) == [None, True, True], (
            "two of three say that they are repeats"
        )
    assert first == second == third
    assert int(shared.redis.get(shared.keys.arrivals) or 0) - arrived == 700


def test_a_line_over_the_limit_is_rejected_without_being_buffered(shared: Serving) -> None:
    limit = 256 << 10
    fits = b'{"key":"l1","answers":{"i1":1}}'
    answers = send(
        shared,
        fits + b" " * (limit - len(fits)) + b"\n",
        b"x" * (limit + 1) + b"\n",
        b"y" * (5 << 20) + b"\n",
        line("l2"),
    )
    assert [each["status"] for each in answers] == [202, 413, 413, 202]
    assert answers[1]["problem"]["type"] == "urn:stanine:problem:too-large"


def test_an_empty_bulk_request_has_an_empty_answer(shared: Serving) -> None:
    assert send(shared) == []
    assert send(shared, b"\n\n") == []


def test_answers_are_streamed_while_lines_are_sent(shared: Serving) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nTransfer-Encoding: chunked\r\n\r\n"
            % (BULK.encode(), ADMIN.encode())
        )
        received = b""
        for number in range(3):
            part = line(f"live-{number}")
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            while b'"key":"live-%d"' % number not in received:
                received += connection.recv(65536)
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)
    assert received.count(b'"status":202') == 3


def test_a_client_that_sends_all_before_it_reads_is_served(shared: Serving) -> None:
    lines = b"".join(
        b"{%d\n" % number for number in range(30_000)
    )  # much longer answers than lines, and than the kernel's buffers
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n"
            % (BULK.encode(), ADMIN.encode(), len(lines))
        )
        connection.sendall(lines)
        received = bytearray()
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(1 << 20)
    assert received.count(b'{"line":') == 30_000


def test_a_stalled_client_is_disconnected(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanine.api.intake.bulk_stream.STALL_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/x-ndjson\r\nContent-Length: 999\r\n\r\n"
            % (BULK.encode(), ADMIN.encode())
        )
        connection.sendall(line("stalls"))
        received = b""
        while part := connection.recv(65536):
            received += part
    assert b'"key":"stalls"' in received
    assert not received.endswith(b"0\r\n\r\n")  # the answer is not marked as complete


GUEST = key_entry("guest", ["attempts:write"], ["*"])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (None, 401, "unauthenticated"),
        ({"scopes": ["results:read"]}, 403, "missing-scope"),
        ({"instruments": ["b-*"]}, 404, "not-found"),
    ],
)
def test_a_revoked_keys_open_stream_ends_within_5_seconds_and_stored_lines_remain(
    mood: Serving, keys_file: Path, change: dict[str, Any] | None, status: int, code: str
) -> None:
    write_keys(keys_file, GUEST)
    until(lambda: mood.http("guest").get("/v1/instruments").status_code == 403)
    with socket.create_connection(("127.0.0.1", mood.port), timeout=10) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guest\r\nTransfer-Encoding: chunked\r\n\r\n"
            % BULK.encode()
        )
        received, stop = bytearray(), threading.Event()

        def keep_sending() -> None:
            with contextlib.suppress(OSError):
                for number in itertools.count():
                    part = line(f"r{number}")
                    connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
                    if stop.wait(0.01):
                        return

        sender = threading.Thread(target=keep_sending)
        sender.start()
        while received.count(b'"status":202') < 5:
            received += connection.recv(65536)
        write_keys(keys_file, *([GUEST | change] if change else []))
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
        assert time.monotonic() - began < 30
        stop.set()
        sender.join()
    assert not received.endswith(b"0\r\n\r\n"), "the answer does not pretend to be whole"
    answers = [json.loads(each) for each in received.splitlines() if each.startswith(b'{"line"')]
    taken = [each for each in answers if each["status"] == 202]
    assert [each["line"] for each in answers] == list(range(1, len(answers) + 1))
    assert answers[: len(taken)] == taken
    assert {each["status"] for each in answers[len(taken) :]} == {status}
    assert answers[-1]["problem"]["type"] == f"urn:stanine:problem:{code}"
    assert int(mood.redis.get(mood.keys.arrivals) or 0) == len(taken), (
        "what was stored stays stored, and nothing more was"
    )
    assert mood.http().get(f"/v1/attempts/{taken[-1]['attempt']}").status_code == 200


def test_a_changed_key_that_keeps_its_scope_continues(mood: Serving, keys_file: Path) -> None:
    write_keys(keys_file, GUEST)
    until(lambda: mood.http("guest").get("/v1/instruments").status_code == 403)

    def lines() -> Iterator[bytes]:
        yield line("before")
        write_keys(
            keys_file,
            GUEST | {"instruments": ["a-*"], "scopes": ["attempts:write", "instruments:read"]},
        )
        until(lambda: mood.http("guest").get("/v1/instruments").status_code == 200)
        time.sleep(0.7)
        yield line("after")

    answer = mood.http("guest").post(BULK, content=lines(), headers=NDJSON)
    assert [json.loads(each)["status"] for each in answer.text.splitlines()] == [202, 202]


def until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30
        time.sleep(0.05)


def test_a_bulk_request_for_an_unknown_instrument_is_rejected_before_a_line_is_read(
    shared: Serving,
) -> None:
    problem(
        shared.http().post(
            "/v1/instruments/unknown/attempts:bulk", content=line("x"), headers=NDJSON
        ),
        "not-found",
    )
