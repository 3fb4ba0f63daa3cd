"""The command as a user runs it: a process with standard output, standard error and an exit status."""

import os
import subprocess
import sys
from collections.abc import Callable
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
    """What a run of the command came to."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def stanine(tmp_path: Path) -> Run:
    """Run `stanine WORDS…` in an empty directory, with variables of the environment as keywords."""

    def run(*words: str | Path, stdin: bytes = b"", **environment: str) -> Ran:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STANINE_")}
        command = [sys.executable, "-m", "stanine.cli.main", *map(str, words)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=tmp_path, env=inherited | environment, timeout=120, check=False
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The document of a small instrument."""
    path = tmp_path / "small.yaml"
    path.write_text(INSTRUMENT)
    return path
