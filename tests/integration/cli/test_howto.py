"""The console blocks of docs/howto, run against `stanine up`, have the documented output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import running_up
from .pages import as_pattern

ROOT = Path(__file__).parents[3]
#: Pages without console blocks, or with separate tests.
PAGES = [
    ROOT / "docs" / "howto" / f"{name}.md"
    for name in (
        "back-up-and-restore",
        "erase",
        "export-to-r-and-spss",
        "invite",
        "pages",
        "rescore",
    )
]


def commands_of(page: str) -> list[tuple[str, str]]:
    """Return the commands after `$ ` (continued after `> `), each with its expected output."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        for first, more, expected in re.findall(
            r"^\$ (.*)\n((?:> .*\n)*)((?:(?!\$ ).*\n)*)", block, re.MULTILINE
        ):
            found.append(("\n".join([first, *(line[2:] for line in more.splitlines())]), expected))
    return found


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_commands_have_the_documented_output(page: Path, tmp_path: Path) -> None:
    commands = commands_of(page.read_text())
    assert commands
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with running_up(tmp_path / "data") as up:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = os.environ | up.variables | {"PATH": path}
        for command, expected in commands:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            assert re.fullmatch(as_pattern(expected), done.stdout.rstrip("\n"), re.DOTALL), (
                command,
                done.stdout,
            )
