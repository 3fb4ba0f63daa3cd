"""Client errors as exits of a command."""

import socket
import ssl

import pytest

from stanine.cli import exits
from stanine.cli.connection import _RetryNotes, connect, exit_of
from stanine.client import ProblemInfo, Retry, errors

SERVER = "http://api.test"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "malformed-request", exits.INVALID),
        (401, "unauthenticated", exits.REFUSED),
        (403, "missing-scope", exits.REFUSED),
        (404, "not-found", exits.NOT_FOUND),
        (405, "method-not-allowed", exits.FAILED),
        (409, "key-conflict", exits.CONFLICT),
        (409, "managed", exits.CONFLICT),
        (410, "history-changed", exits.FAILED),
        (412, "precondition-failed", exits.FAILED),
        (413, "too-large", exits.INVALID),
        (415, "unsupported-content", exits.INVALID),
        (422, "invalid-document", exits.INVALID),
        (422, "a-later-one", exits.INVALID),
        (429, "", exits.UNAVAILABLE),
        (500, "internal", exits.FAILED),
        (502, "", exits.UNAVAILABLE),
        (503, "full", exits.UNAVAILABLE),
    ],
)
def test_each_problem_has_its_exit_status(status: int, code: str, expected: int) -> None:
    kind = f"urn:stanine:problem:{code}" if code else "about:blank"
    wrong = (errors.ErrorItem("/a", "Wrong", "wrong"),)
    problem = ProblemInfo(type=kind, status=status, detail="because", errors=wrong)
    ended = exit_of(errors.error_of(problem), SERVER)
    assert ended.status == expected
    assert "because" in str(ended)
    assert "/a: wrong" in str(ended)
    assert ("STANINE_KEY" in str(ended)) == (status in {401, 403})


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (ConnectionRefusedError(), "nothing listens there; is it running"),
        (socket.gaierror(-2, "unknown"), "the name api.test is not known"),
        (ssl.SSLError(), "does not speak TLS"),
        (TimeoutError(), "does a firewall let it through?"),
        (OSError(101, "Network is unreachable"), ": Network is unreachable"),
        (None, "POST /x: the server cannot be reached"),
    ],
)
def test_an_unreachable_server_is_explained_in_one_line(cause: OSError | None, says: str) -> None:
    error = errors.UnreachableError("POST /x: the server cannot be reached")
    error.__cause__ = cause
    ended = exit_of(error, SERVER)
    assert (ended.status, len(str(ended).splitlines())) == (exits.UNAVAILABLE, 1)
    assert str(ended).startswith(SERVER)
    assert says in str(ended)


def test_an_error_within_the_block_ends_the_command() -> None:
    with pytest.raises(exits.TryAgainError, match="lost"), connect(SERVER, "key"):
        raise errors.LostAnswerError("GET /x: the connection was lost")


@pytest.mark.parametrize("server", ["api.test", "http://user:secret@", "http://user:secret@h:0/"])
def test_an_invalid_address_is_quoted_without_its_password(server: str) -> None:
    with pytest.raises(exits.InvalidInputError, match="HOST:PORT") as raised, connect(server, ""):
        pass
    assert "secret" not in str(raised.value)


def test_long_retries_are_noted_once_for_each_outage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    notes = _RetryNotes(SERVER)
    error = errors.LostAnswerError("GET /x: the connection was lost")
    for at, spent in ((100.0, 2.9), (101.0, 3.5), (101.0, 3.4), (106.0, 8.5), (200.0, 4.0)):
        now = at
        notes(Retry("GET /x", error, 3, spent, 1.0))
    line = f"{SERVER}: GET /x: the connection was lost; trying again for up to 60 s\n"
    assert capsys.readouterr().err == 2 * line
