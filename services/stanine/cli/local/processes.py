"""A child process that never outlives its parent, managed by its process id. Called by `stack`.

On Linux the kernel kills a child when its parent dies, even by SIGKILL (prctl PR_SET_PDEATHSIG). The parent is the
*thread* that started the child, so children are started from the main thread only.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
#: Bytes of the log shown for a failed process.
_TAIL = 4_000


class Child:
    """A process in its own group, which Ctrl-C does not reach; its output goes to a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        on_orphaned: int,
    ) -> None:
        """`on_orphaned` is the signal that the kernel sends when the parent dies."""
        self.name, self.command, self.log = name, list(command), log
        self._environment, self._on_orphaned = dict(environment), on_orphaned
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def exit_status(self) -> int | None:
        """The exit status (negative: the signal); None before the start and while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start or restart the process."""
        assert threading.current_thread() is threading.main_thread(), (
            "its parent would be a thread that ends"
        )
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                self.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with_parent(self._on_orphaned),  # noqa: PLW1509 - no other thread holds a lock: the start is single-threaded
            )
        self.started_at = time.monotonic()

    def signal(self, number: int) -> None:
        """Send a signal if the process runs."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for the process up to a timeout; return whether it has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, grace: float) -> bool:
        """Terminate the process; after `grace` seconds kill its group.

        Return whether it ended in time.
        """
        self.signal(signal.SIGTERM)
        in_time = self.wait(grace)
        self.kill()
        return in_time

    def kill(self) -> None:
        """Kill the process group."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # the whole group has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """Return the end of the log."""
        try:
            return self.log.read_bytes()[-_TAIL:].decode(errors="replace").strip()
        except FileNotFoundError:
            return ""


def _die_with_parent(number: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(
        None, use_errno=True
    )  # before the fork, because loading after it could deadlock
    parent = os.getpid()

    def ask_kernel() -> None:
        library.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the parent died before prctl
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel
