"""A bulk submission against a server that fails in every way a server can: each line is still answered exactly once."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stanine.cli.bulk import LINES_PER_REQUEST, send_all
from stanine.cli.client import Api
from stanine.cli.exits import CliError, InvalidInputError, NotFoundError, UnavailableError
from stanine.cli.io.submissions import Place, Submission

Fault = Callable[["Handler", list[str]], bool]


class Handler(BaseHTTPRequestHandler):
    """Answers each line once and for all by its key, unless `fault` does something else with the request."""

    protocol_version = "HTTP/1.1"
    fault: Fault
    stored: Counter[str]
    lock: threading.Lock

    def do_POST(self) -> None:
        keys = [
            json.loads(line)["key"]
            for line in self.rfile.read(int(self.headers["content-length"])).splitlines()
        ]
        if type(self).fault(self, keys):
            return
        self.answer(200, self.lines(keys))

    def lines(self, keys: list[str], refused: frozenset[str] = frozenset()) -> bytes:
        answers = []
        for number, key in enumerate(keys, start=1):
            if key in refused:
                answers.append({"line": number, "status": 503, "problem": {"detail": "no room"}})
            else:
                with self.lock:
                    self.stored[key] += 1
                    mark = {"repeated": True} if self.stored[key] > 1 else {}
                answers.append(
                    {
                        "line": number,
                        "status": 202,
                        "key": key,
                        "attempt": f"id-of-{key}",
                        "token": "t",
                        **mark,
                    }
                )
        return b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "content-length": str(len(body)),
            "content-type": "application/json",
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(fault: Fault, *, patience: float = 20.0) -> Iterator[tuple[Api, Counter[str]]]:
    handler = type(
        "Handling",
        (Handler,),
        {"fault": staticmethod(fault), "stored": Counter(), "lock": threading.Lock()},
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        api = Api(f"http://127.0.0.1:{server.server_address[1]}", "key", patience=patience)
        try:
            yield api, handler.stored  # type: ignore[attr-defined]
        finally:
            api.close()
            server.shutdown()
            thread.join()


def submissions(count: int) -> list[Submission]:
    return [Submission(Place(number), b'{"key":"k%d"}' % number) for number in range(1, count + 1)]


def healthy(_handler: Handler, _keys: list[str]) -> bool:
    return False


def test_lines_are_answered_in_order_over_many_requests() -> None:
    sent = submissions(3 * LINES_PER_REQUEST + 7)
    with served(healthy) as (api, stored):
        answers = list(send_all(api, "x", sent))
    assert [submission for submission, _ in answers] == sent
    assert [answer.attempt for _, answer in answers if answer] == [
        f"id-of-k{number}" for number in range(1, len(sent) + 1)
    ]
    assert set(stored.values()) == {1}


def test_a_line_that_the_server_had_already_is_marked() -> None:
    with served(healthy) as (api, _):
        answers = [answer for some in (2, 3) for _, answer in send_all(api, "x", submissions(some))]
    assert [answer.repeated for answer in answers if answer] == [False, False, True, True, False]


def test_what_is_faulty_here_is_not_sent_and_keeps_its_place() -> None:
    sent = submissions(5)
    sent[2] = Submission(Place(3, 4), b"", "not good")
    with served(healthy) as (api, stored):
        answers = list(send_all(api, "x", sent))
    assert [answer.attempt if answer else None for _, answer in answers] == [
        "id-of-k1",
        "id-of-k2",
        None,
        "id-of-k4",
        "id-of-k5",
    ]
    assert sum(stored.values()) == 4


def test_a_server_that_fails_in_every_way_still_takes_every_line_once_by_its_key() -> None:
    kinds = iter(
        [
            "lost after",
            "lines refused",
            "cut short",
            "503",
            "lost before",
            "lines refused",
            "lost after",
            "lines refused",
        ]
    )

    def fault(handler: Handler, keys: list[str]) -> bool:
        kind = next(kinds, "none")
        if kind == "lost before":
            handler.close_connection = True
        elif kind == "lost after":
            handler.lines(keys)
            handler.close_connection = True
        elif kind == "cut short":
            body = handler.lines(keys)
            handler.send_response(200)
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
        elif kind == "503":
            handler.answer(503, b'{"detail": "not now"}')
        elif kind == "lines refused":
            handler.answer(200, handler.lines(keys, frozenset(keys[::2])))
        else:
            return False
        return True

    sent = submissions(3 * LINES_PER_REQUEST)
    with served(fault) as (api, stored):
        answers = list(send_all(api, "x", sent))
    assert [answer.attempt for _, answer in answers if answer] == [
        f"id-of-k{number}" for number in range(1, len(sent) + 1)
    ]
    assert len(stored) == len(sent)
    assert max(stored.values()) > 1  # answers were lost, and the lines sent again
    assert next(kinds, None) is None


@pytest.mark.parametrize(
    ("status", "expected"), [(404, NotFoundError), (422, InvalidInputError), (500, CliError)]
)
def test_a_refusal_ends_it_with_what_the_server_says(status: int, expected: type[CliError]) -> None:
    def fault(handler: Handler, _keys: list[str]) -> bool:
        handler.answer(
            status, b'{"detail": "because", "errors": [{"pointer": "/a", "detail": "wrong"}]}'
        )
        return True

    with served(fault) as (api, _), pytest.raises(expected) as raised:
        list(send_all(api, "x", submissions(3)))
    assert str(raised.value) == "because\n/a: wrong"


@pytest.mark.parametrize(
    "body", [b"{", b'{"line": 2, "status": 202}\n', b'{"status": 202}\n', b"[]\n"]
)
def test_an_answer_that_is_none_ends_it(body: bytes) -> None:
    def fault(handler: Handler, _keys: list[str]) -> bool:
        handler.answer(200, body)
        return True

    with served(fault) as (api, _), pytest.raises(CliError, match="cannot be read"):
        list(send_all(api, "x", submissions(1)))


@pytest.mark.parametrize("refusal", ["whole", "lines"])
def test_a_server_without_room_is_given_up_in_the_end(refusal: str) -> None:
    def fault(handler: Handler, keys: list[str]) -> bool:
        if refusal == "whole":
            handler.answer(503, b'{"detail": "no room"}', retry_after="1")
        else:
            handler.answer(200, handler.lines(keys, frozenset(keys)))
        return True

    with served(fault, patience=1.5) as (api, stored), pytest.raises(UnavailableError):
        list(send_all(api, "x", submissions(3)))
    assert not stored


def test_nothing_is_sent_of_nothing() -> None:
    with served(healthy) as (api, stored):
        assert list(send_all(api, "x", [])) == []
    assert not stored
