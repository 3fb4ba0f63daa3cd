"""Processes of the benchmarks' own: each in a group of its own, ended by its number with all that it started."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: The checkout: where all are started, so that `benchmarks` is found.
ROOT = Path(__file__).parents[1]
#: Seconds that a process gets to end by itself.
GRACE = 10.0


@contextmanager
def started(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    gently: bool = False,
    **options: Any,
) -> Iterator["subprocess.Popen[str]"]:
    """Run a process; what it says as an error goes to `log`. `gently`: it is asked to end before it is made to."""
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/services", **environment},
            stderr=errors,
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, **options},
        )
    try:
        yield process
    finally:
        if gently and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        end_group(process)


def end_group(process: "subprocess.Popen[str]") -> None:
    """End a process and those it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Orders:
    """Talks with a submitter (peers/submitter.py): one JSON line there, one back."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log
        self._answer()

    def give(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give an order and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{' '.join(map(str, self._process.args))} ended: {self._log.read_text()[-2000:]}"  # type: ignore[arg-type]
            )
        found: dict[str, Any] = json.loads(line)
        return found


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
