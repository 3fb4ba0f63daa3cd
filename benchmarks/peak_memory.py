"""Peak resident memory of a process (Linux): read it, reset it, and measure a command's.

Used by exports.py and rescoring.py.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import started

#: Peak with the most attempts divided by that with the fewest: more is growth, not noise of the allocator.
FLAT = 1.1
#: Seconds between two readings of a command's peak; a peak remains readable until the command ends.
_LOOK = 0.02


def peak_bytes(pid: int) -> int:
    """Return the largest resident memory since the start or the last `reset_peak`; 0 if the process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def reset_peak(pid: int) -> None:
    """Set the peak to the present resident memory."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    seconds: float
    peak: int


def run_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    log: Path,
    *,
    append: bool = False,
    interrupt: Callable[["subprocess.Popen[str]"], None] | None = None,
) -> Finished:
    """Run a command with standard output in a file, and measure it.

    `interrupt` is called again and again with the running process, and may end it or another one.
    """
    began, peak = time.perf_counter(), 0
    with (
        output.open("ab" if append else "wb") as file,
        started(command, environment, log, stdout=file) as process,
    ):
        while process.poll() is None:
            peak = max(peak, peak_bytes(process.pid))
            if interrupt is not None:
                interrupt(process)
            time.sleep(_LOOK)
    return Finished(process.returncode, time.perf_counter() - began, peak)


def size_of(file: Path) -> int:
    """Return the bytes of a file, 0 if it does not exist."""
    return file.stat().st_size if file.exists() else 0
