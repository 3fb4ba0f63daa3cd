"""A child process never outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stanine.cli.local.processes import Child

_PARENT = """
import os, signal, sys, time
from pathlib import Path
from stanine.cli.local.processes import Child
child = Child("sleeper", ["sleep", "600"], dict(os.environ), Path(sys.argv[1]), on_orphaned=int(sys.argv[2]))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
@pytest.mark.parametrize("on_orphaned", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, on_orphaned: int) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "log"), str(int(on_orphaned))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(pid)


def test_a_child_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    script = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    )
    child = Child(
        "deaf",
        [sys.executable, "-c", script],
        dict(os.environ),
        tmp_path / "log",
        on_orphaned=signal.SIGKILL,
    )
    child.start()
    deadline = time.monotonic() + 5
    while not child.log_tail() and time.monotonic() < deadline:
        time.sleep(0.01)
    grandchild = int(child.log_tail())
    assert not child.stop(0.2)
    assert wait_until_gone(child.pid)
    assert wait_until_gone(grandchild)


def test_a_child_that_handles_sigterm_is_not_killed(tmp_path: Path) -> None:
    child = Child(
        "sleeper", ["sleep", "600"], dict(os.environ), tmp_path / "log", on_orphaned=signal.SIGKILL
    )
    child.start()
    assert child.exit_status is None
    assert child.stop(5)
    assert child.exit_status == -signal.SIGTERM
