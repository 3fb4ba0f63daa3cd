"""The peers: command lines of submitter and worker, and approximate rates that size backlogs.

A peer whose environment is not installed (`benchmarks/install.sh`) is omitted and named.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.processes import ROOT

_BENCH = ROOT / ".stanine" / "bench-venv" / "bin"
_REDIS5 = ROOT / ".stanine" / "bench-venv-redis5" / "bin"
_PEERS = ROOT / "benchmarks" / "peers"
_MODULES = ROOT / "benchmarks" / "node_modules"


@dataclass(frozen=True)
class Peer:
    """One peer of the comparison."""

    name: str
    submitter: tuple[str, ...]
    worker: tuple[str, ...]
    #: Paths that must exist for it to run.
    needs: tuple[Path, ...]
    #: Packages whose versions are reported, and their location: a Python interpreter, or a folder of Node modules.
    packages: tuple[str, ...]
    home: Path
    #: Approximate attempts per second; determines the size of its backlog.
    pace: int
    #: Approximate maximum of seconds from submit to result when idle; determines the number of latencies.
    pick_up: float = 0.01
    submits: bool = True

    @property
    def is_there(self) -> bool:
        """Return whether the peer is installed."""
        return all(path.exists() for path in self.needs) and (
            self.home != _MODULES or shutil.which("node") is not None
        )


def _python(
    name: str,
    home: Path,
    worker: tuple[str, ...],
    packages: tuple[str, ...],
    pace: int,
    pick_up: float = 0.01,
) -> Peer:
    python = str(home / "python")
    return Peer(
        name,
        (python, "-m", f"benchmarks.peers.{name}"),
        tuple(each.format(home=home, python=python) for each in worker),
        (home / "python",),
        packages,
        home / "python",
        pace,
        pick_up,
    )


_SELF = Path(sys.executable)
_MODULE_WORKER = "{python}", "-m"

PEERS: tuple[Peer, ...] = (
    Peer(
        "stanine",
        (sys.executable, "-m", "benchmarks.peers.stanine"),
        (sys.executable, "-m", "stanine.result_watcher"),
        (),
        ("dramatiq", "redis", "hiredis", "numpy"),
        _SELF,
        100_000,
    ),
    Peer(
        "floor",
        (sys.executable, "-m", "benchmarks.peers.stanine"),
        (sys.executable, "-m", "benchmarks.peers.floor"),
        (),
        (),
        _SELF,
        100_000,
        submits=False,
    ),
    Peer(
        "bullmq",
        ("node", str(_PEERS / "bullmq.mjs")),
        ("node", str(_PEERS / "bullmq.mjs"), "worker"),
        (_MODULES / "bullmq",),
        ("bullmq", "ioredis"),
        _MODULES,
        9_000,
    ),
    _python(
        "bullmq_python",
        _BENCH,
        (*_MODULE_WORKER, "benchmarks.peers.bullmq_python", "worker"),
        ("bullmq",),
        1_700,
    ),
    _python(
        "celery",
        _BENCH,
        (
            "{home}/celery",
            "--quiet",
            "-A",
            "benchmarks.peers.celery",
            "worker",
            "--pool",
            "prefork",
            "--concurrency",
            "1",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel",
            "ERROR",
        ),
        ("celery", "kombu"),
        1_000,
    ),
    _python("rq", _BENCH, (*_MODULE_WORKER, "benchmarks.peers.rq", "worker"), ("rq",), 220),
    _python(
        "arq",
        _REDIS5,
        (*_MODULE_WORKER, "benchmarks.peers.arq", "worker"),
        ("arq", "redis"),
        1_700,
        1.0,
    ),
    _python(
        "taskiq",
        _BENCH,
        (
            "{home}/taskiq",
            "worker",
            "benchmarks.peers.taskiq:broker",
            "--workers",
            "1",
            "--max-async-tasks",
            "100",
            "--no-parse",
            "--log-level",
            "ERROR",
        ),
        ("taskiq", "taskiq-redis"),
        2_000,
    ),
    _python("saq", _REDIS5, (*_MODULE_WORKER, "benchmarks.peers.saq", "worker"), ("saq",), 1_500),
    _python(
        "dramatiq",
        _BENCH,
        ("{home}/dramatiq", "benchmarks.peers.dramatiq", "--processes", "1", "--threads", "8"),
        ("dramatiq", "redis"),
        1_400,
        1.0,
    ),
)


def versions(peers: "tuple[Peer, ...]") -> dict[str, str]:
    """Return installed versions by "peer: package", or by peer if the package has the same name."""
    found: dict[str, str] = {"python": sys.version.split()[0]}
    if any(peer.home == _MODULES for peer in peers):
        found["node"] = _first_line("node", "--version").removeprefix("v")
    for peer in peers:
        for package in peer.packages:
            label = (
                peer.name if package.replace("-", "_") == peer.name else f"{peer.name}: {package}"
            )
            if peer.home == _MODULES:
                found[label] = _first_line(
                    "node",
                    "-p",
                    f"JSON.parse(require('fs').readFileSync('{_MODULES / package / 'package.json'}')).version",
                )
            elif peer.home == _SELF:
                found[label] = metadata.version(package)
            else:
                found[label] = _first_line(
                    str(peer.home),
                    "-c",
                    f"from importlib.metadata import version; print(version({package!r}))",
                )
        if peer.name == "stanine":
            found["stanine"] = metadata.version("stanine")
    return found


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
