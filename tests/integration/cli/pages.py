"""Runs the blocks of pages: files, and commands with their output.

Used by the tests of README and tutorial.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield each fenced block in order: its info string and its text."""
    yield from re.findall(r"^```([^\s`][^\n]*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[tuple[str, str]]:
    """Return the commands of a console block with the expected outputs; `…` matches any text."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


def check(command: str, expected: str, cwd: Path, variables: Mapping[str, str]) -> None:
    """Run a command in a shell and compare its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env=os.environ | variables | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    assert re.fullmatch(as_pattern(expected), done.stdout.rstrip("\n")), (command, done.stdout)


def as_pattern(expected: str) -> str:
    parts = re.split("(…)", expected.rstrip("\n"))
    return "".join(".*" if part == "…" else re.escape(part) for part in parts)
