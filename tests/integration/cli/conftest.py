"""Runs the command as a process with standard output, standard error and an exit status."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

INSTRUMENT = """
apiVersion: stanine.dev/v1alpha1
kind: Instrument
metadata: {name: small}
spec:
  title: Small
  attributes: [{id: age, type: Integer}]
  responseSets:
    - {name: agree, options: [{value: 1}, {value: 2}, {value: 3}, {value: "none", missing: true}]}
  items:
    - {id: A1, text: "one", responses: agree}
    - {id: A2, text: "two", responses: agree}
    - {id: q1, text: "three", options: [{value: "a"}, {value: "b"}]}
  scales:
    - {id: average, items: [-A1, A2], score: Mean, minValid: 1, bands: [{id: low}, {id: high, from: 2}]}
    - {id: total, items: [A1, A2], score: Sum, multiply: 0.1}
    - {id: correct, key: {q1: b}, unanswered: 0, score: Percent}
"""


@dataclass
class Ran:
    """The outcome of a run."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def stanine(tmp_path: Path) -> Run:
    """Run `stanine WORDS…` in an empty directory, with environment variables as keywords."""

    def run(*words: str | Path, stdin: bytes = b"", **environment: str) -> Ran:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
        }
        command = [sys.executable, "-m", "stanine.cli.main", *map(str, words)]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=inherited | environment,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The document of a small instrument."""
    path = tmp_path / "small.yaml"
    path.write_text(INSTRUMENT)
    return path


@dataclass
class Up:
    """A running `stanine up`."""

    process: "subprocess.Popen[str]"
    data: Path
    variables: dict[str, str]

    def family(self) -> list[int]:
        """Return the ids of the process and all its descendants."""
        listed = subprocess.run(
            ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        port = self.variables["STANINE_REDIS_URL"].rsplit(":", 1)[1].split("/")[0]
        names = {f"{self.data}/", f"--port {port}"}
        pids = [int(line.split()[0]) for line in listed if any(name in line for name in names)]
        return [self.process.pid, *pids, *_children(self.process.pid)]


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    direct = [int(word) for word in listed.split()]
    return [each for child in direct for each in (child, *_children(child))]


@contextmanager
def running_up(data: Path, *options: str, **environment: str) -> Iterator[Up]:
    """Start `stanine up` on a free port and wait until it prints its addresses; stop it at the end."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
    }
    command = [
        sys.executable,
        "-m",
        "stanine.cli.main",
        "up",
        "--port",
        "0",
        "--data",
        str(data),
        *options,
    ]
    log = data.with_suffix(".stderr")
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, env=inherited | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout is not None
        variables: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            variables[name] = "".join(shlex.split(value))
            if name == "STANINE_REDIS_URL":
                break
        assert "STANINE_REDIS_URL" in variables, log.read_text()
        yield Up(process, data, variables)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack for the whole session."""
    with running_up(tmp_path_factory.mktemp("up") / "data") as started:
        yield started
