# ruff: noqa: INP001 - run as a file by the image, never imported
"""The development loop's reloading: runs one of the image's processes, and starts it again when a file of /app has changed.

`skaffold dev` copies changed files in and makes this the containers' command; nobody else uses it. A file that is no Python yet starts
nothing anew, so that a half-written line costs no restart of the container, which would forget what was copied in.
"""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

APP = Path(__file__).parent
#: What a process reads at its start.
PATTERNS = ("*.py", "*.lua", "*.html", "*.js", "*.css")
#: Seconds between two looks.
LOOK_SECONDS = 0.5
#: Seconds for a process to end before it is killed: the API drains within these when told to be quick.
END_SECONDS = 15.0

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
    """Run a process until this one is told to end; return the exit status."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process, seen = _start(arguments), look()
    told_of_end = False
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
            process, told_of_end = _start(arguments), False
        elif process.poll() is not None and not told_of_end:
            told_of_end = True
            _say(f"it has ended with status {process.returncode}: waiting for a change")
    return _end(process)


def _start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(APP / "entry.py"), *arguments])  # noqa: S603 - the container's own arguments


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
    sys.exit(run(sys.argv[1:]))
