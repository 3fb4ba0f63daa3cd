"""Start and stop benchmark processes, each in a separate process group."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: The checkout, working directory of all processes, so that `benchmarks` can be imported.
ROOT = Path(__file__).parents[1]
#: Seconds for a process to end after SIGTERM.
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
    """Run a process with standard error in `log`. `gently`: send SIGTERM before SIGKILL."""
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
    """Kill a process and its descendants."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class Orders:
    """Sends orders to a submitter (peers/submitter.py): one JSON line each, one JSON line back."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log
        self._answer()

    def give(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send an order and return its reply."""
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
    """Return the resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
