# ruff: noqa: INP001 - run as a file by the image, never imported
"""The development loop's reloading: runs one of the image's processes, and starts it again when a file of /app has changed.

`skaffold dev` copies changed files in and makes this the containers' command; nobody else uses it. A new container would begin with the
image's files and so run the old program without a word. Therefore no change leads to one: a file that is no Python yet starts nothing
anew, and where a changed process has ended, another answers its probes until the next change.
"""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

APP = Path(__file__).parent
#: What a process reads at its start.
PATTERNS = ("*.py", "*.lua", "*.html", "*.js", "*.css", "*.po")
#: Seconds between two looks.
LOOK_SECONDS = 0.5
#: Seconds for a process to end before it is killed: the API drains within these when told to be quick.
END_SECONDS = 15.0
#: The first argument of the process that answers probes.
STAND_IN = "stand-in"

Times = dict[Path, float]


def look() -> Times:
    """Return when each file was last changed."""
    found = {}
    for pattern in PATTERNS:
        for path in APP.rglob(pattern):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                found[path] = path.stat().st_mtime
    return found


def faults(changed: set[Path]) -> list[str]:
    """Return what keeps changed files from being run, a line each."""
    found = []
    for path in sorted(changed):
        if path.suffix == ".py" and path.exists():
            try:
                compile(path.read_bytes(), str(path), "exec")
            except (SyntaxError, ValueError) as error:
                found.append(f"{path.relative_to(APP)}: {error}")
    return found


def run(arguments: list[str]) -> int:
    """Run a process until this one is told to end, or it ends with the image's own files; return the exit status."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process, seen = _start("entry.py", *arguments), look()
    standing_in = reloaded = False
    while not stopping:
        time.sleep(LOOK_SECONDS)
        now = look()
        changed = {path for path in now.keys() | seen.keys() if now.get(path) != seen.get(path)}
        if changed:
            seen = now
            if problems := faults(changed):
                _say(f"not reloaded: {'; '.join(problems)}")
                continue
            _say(f"reloading: {', '.join(sorted(str(path.relative_to(APP)) for path in changed))}")
            _end(process)
            process, standing_in, reloaded = _start("entry.py", *arguments), False, True
        elif process.poll() is not None and not standing_in:
            if not reloaded:
                break
            _say(f"it has ended with status {process.returncode}: waiting for a change")
            process, standing_in = _start("reload.py", STAND_IN, *arguments), True
    return _end(process)


def stand_in(arguments: list[str]) -> None:
    """Answer at a process's address in its place: alive, so that the container stays, and not ready."""
    options = dict(
        each.removeprefix("--").removeprefix("health-").split("=", 1)
        for each in arguments
        if "=" in each
    )
    Absence(options["host"], int(options["port"])).serve_forever()


class Absence(ThreadingHTTPServer):
    """Serves at a host and port."""

    def __init__(self, host: str, port: int) -> None:
        """Listen."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Answer)


class Answer(BaseHTTPRequestHandler):
    """What a request is told."""

    def do_GET(self) -> None:
        """Answer a probe, or a request of any kind."""
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(
            b"The changed process has ended; its log says why. The next change starts it again.\n"
        )

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - named so by http.server

    def log_message(self, *_: object) -> None:
        """Say nothing: probes come every second."""


def _start(file: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(APP / file), *arguments])  # noqa: S603 - the container's own arguments


def _end(process: "subprocess.Popen[bytes]") -> int:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _say(line: str) -> None:
    print(f"reload: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the log is the process's own


if __name__ == "__main__":
    if sys.argv[1:2] == [STAND_IN]:
        stand_in(sys.argv[2:])
    else:
        sys.exit(run(sys.argv[1:]))
