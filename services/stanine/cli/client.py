"""Speaks to the HTTP API for the commands: sends, tries again what may be tried again, and turns answers into exits.

Every request of the API may be repeated safely (a publish of an unchanged document and a submission under the same key change nothing),
so a lost connection and a 503 are tried again for as long as the user would wait at a prompt.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from stanine.cli.exits import (
    CliError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from stanine.cli.io.terminal import note
from stanine.cli.options import DEFAULT_SERVER

#: Seconds over which a request is tried again before the command gives up.
PATIENCE = 60.0
#: Seconds for a server that this command has not reached yet: most likely it does not run.
PATIENCE_UNREACHED = 3.0
#: Seconds: first and longest pause between tries, unless the server says how long (Retry-After).
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
#: Seconds for a connection, and for the next byte of an answer: above the 30 s that `?wait=` may hold one.
_TIMEOUTS = httpx.Timeout(45.0, connect=5.0)
#: Statuses that say "not now".
TEMPORARY = {429, 502, 503, 504}
#: Statuses that another key would mend, and what to do then.
_NEED_A_KEY = {401, 403}
_KEY_REMEDY = "give a key with STANINE_KEY or --key"
#: What an unlucky request may be answered with, and how the command ends then.
_EXITS: dict[int, type[CliError]] = {
    400: InvalidInputError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidInputError,
    415: InvalidInputError,
    422: InvalidInputError,
}


#: The status for a cursor that a list no longer recognises.
_GONE = 410


class HistoryChangedError(CliError):
    """A list does not recognise a cursor: the server came back with other data. `following` is the cursor to continue from."""

    def __init__(self, following: str, *lines: str) -> None:
        super().__init__(*lines)
        self.following = following


class Api:
    """The API of one server, with one key. Threads may share it."""

    def __init__(self, server: str, key: str | None, *, patience: float = PATIENCE) -> None:
        """Raise InvalidInputError if `server` is no HTTP address."""
        host = _host_of(server)
        if key and not (key.isascii() and key.isprintable()):
            raise InvalidInputError(
                "STANINE_KEY or --key is no key: it holds characters that no key has, such as the end of a line"
            )
        self.server = server.rstrip("/")
        self._patience = patience
        self._reached = False
        self._given_up = threading.Event()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # a proxy of the environment cannot reach this machine's own loopback
        self._http = httpx.Client(
            base_url=self.server,
            headers=headers,
            timeout=_TIMEOUTS,
            trust_env=not _is_loopback(host),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def give_up(self) -> None:
        """Let no thread try again: the command is ending."""
        self._given_up.set()

    def get(
        self, path: str, params: Mapping[str, str | int] | None = None, *, token: str | None = None
    ) -> httpx.Response:
        """GET; see `request`."""
        return self.request(
            "GET",
            path,
            params=params,
            headers={"authorization": f"Bearer {token}"} if token else {},
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request until it is answered; return a good answer (2xx).

        Raises NotFoundError, RefusedError, ConflictError, InvalidInputError, HistoryChangedError or CliError with what the server's
        problem document says, UnavailableError after PATIENCE.
        """
        tries = self.tries(f"{method} {path}")
        while True:
            try:
                answer = self._http.request(
                    method, path, params=params, content=content, headers=headers
                )
            except httpx.TransportError as error:
                tries.failed(
                    _say(error, self.server), patience=None if self._reached else PATIENCE_UNREACHED
                )
                continue
            self._reached = True
            if answer.status_code in TEMPORARY:
                tries.failed("; ".join(explain(answer)), answer.headers.get("retry-after"))
                continue
            if answer.status_code == _GONE and (following := _cursor_to_continue(answer)):
                raise HistoryChangedError(following, *explain(answer))
            if not answer.is_success:
                remedy = [_KEY_REMEDY] if answer.status_code in _NEED_A_KEY else []
                raise _EXITS.get(answer.status_code, CliError)(*explain(answer), *remedy)
            return answer

    def tries(self, what: str) -> "Tries":
        """Begin a series of tries, given up after this client's patience."""
        return Tries(self.server, what, self._patience, self._given_up)

    def pages(self, path: str, *, limit: int, after: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list, each `{items, next}`, until one has no next. For results see `stanine.cli.result_list`."""
        while True:
            params: dict[str, str | int] = {"limit": limit} | ({"after": after} if after else {})
            page: dict[str, Any] = msgspec.json.decode(self.get(path, params).content)
            yield page
            after = page.get("next")
            if not after or not page["items"]:
                return


class Tries:
    """Counts down the patience of a series of tries and pauses between them."""

    def __init__(self, server: str, what: str, patience: float, given_up: threading.Event) -> None:
        self._server, self._what, self._patience, self._given_up = server, what, patience, given_up
        self._began = time.monotonic()
        self._pause = _FIRST_PAUSE
        self._said = False

    def failed(
        self, why: str, retry_after: str | None = None, *, patience: float | None = None
    ) -> None:
        """Pause before the next try; raises UnavailableError if `patience` (by default the client's) leaves no time for one."""
        patience = min(self._patience, patience or self._patience)
        pause = self._pause
        if retry_after and retry_after.isdigit():
            pause = max(pause, min(float(retry_after), _LONGEST_PAUSE))
        spent = time.monotonic() - self._began
        if spent + pause > patience or self._given_up.is_set():
            raise UnavailableError(f"{self._server} did not serve {self._what}: {why}")
        if not self._said and spent > PATIENCE_UNREACHED:
            note(f"{self._server}: {why}; trying again for up to {patience:.0f} s")
            self._said = True
        self._given_up.wait(pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


@contextmanager
def connect(server: str, key: str | None) -> Iterator[Api]:
    """Open the API and close it at the end."""
    api = Api(server, key)
    try:
        yield api
    finally:
        api.close()


def segment(text: str) -> str:
    """Return text as one segment of a path."""
    return quote(text, safe="")


def explain(answer: httpx.Response) -> list[str]:
    """Return what an answer that is no success says, line by line."""
    problem = _problem_of(answer)
    if problem is None:
        return [f"the server answered {answer.status_code} {answer.reason_phrase}"]
    return explain_problem(problem, answer.status_code)


def explain_problem(problem: Mapping[str, Any], status: int) -> list[str]:
    """Return what an RFC 9457 problem document says: its sentence, then one line per error with its place."""
    first = problem.get("detail") or problem.get("title") or f"the server answered {status}"
    errors = problem.get("errors")
    lines = (
        [
            f"{each.get('pointer')}: {each.get('detail')}"
            for each in errors
            if isinstance(each, dict)
        ]
        if isinstance(errors, list)
        else []
    )
    return [str(first), *lines]


def _problem_of(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        problem = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return None
    return problem if isinstance(problem, dict) else None


def _cursor_to_continue(answer: httpx.Response) -> str:
    following = (_problem_of(answer) or {}).get("next")
    return following if isinstance(following, str) else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host_of(server: str) -> str:
    with suppress(ValueError, httpx.InvalidURL):  # a port, a name or an IPv6 address that is none
        parts = urlsplit(server)
        if (
            parts.scheme in {"http", "https"}
            and parts.hostname
            and parts.port != 0
            and httpx.URL(server).host
        ):
            parts.hostname.encode("idna")
            return parts.hostname
    raise InvalidInputError(
        f"{server!r} is no server: give --server or STANINE_API_URL as http://HOST:PORT"
    )


def _say(error: httpx.TransportError, server: str) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"it cannot be reached: {_why(error, server)}"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) did not let it through: {error}"
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return f"what answers there does not speak HTTP ({error}); is it https, or another port?"
    return "the connection was lost"


def _why(error: Exception, server: str) -> str:
    """Return why a server cannot be reached, and what may help, as far as the system tells."""
    causes: list[BaseException] = [error]
    while (
        cause := causes[-1].__cause__ or causes[-1].__context__
    ) is not None and cause not in causes:
        causes.append(cause)
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time: is the address right, and does a firewall let it through?"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the name {urlsplit(server).hostname} is not known: is it spelled right?"
    if verifying := next(
        (cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None
    ):
        return f"its certificate is not trusted ({verifying.verify_message}); SSL_CERT_FILE may name the authority that signed it"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "what answers there does not speak TLS: is it http://?"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        starting = (
            "`stanine up` starts one"
            if server == DEFAULT_SERVER
            else "is it running, and is STANINE_API_URL right?"
        )
        return f"nothing listens there; {starting}"
    known = next(
        (
            cause.strerror
            for cause in reversed(causes)
            if isinstance(cause, OSError) and cause.strerror
        ),
        "",
    )
    return known or str(error) or type(error).__name__
