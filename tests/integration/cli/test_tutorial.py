"""docs/tutorial/first-instrument.md: its files, and its commands with the documented output."""

import re
import shutil
from pathlib import Path

from tests.conftest import need

from .conftest import running_up
from .pages import blocks, check, commands

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/tutorial/first-instrument.md").read_text()


def test_the_commands_of_the_tutorial_have_the_documented_output(tmp_path: Path) -> None:
    need("curl", found=shutil.which("curl") is not None)
    here = tmp_path / "work"
    here.mkdir()
    (here / "examples").symlink_to(ROOT / "examples")
    ran = 0
    with running_up(tmp_path / "data") as up:
        for kind, text in blocks(PAGE):
            if title := re.search(r"title=(\S+)", kind):
                (here / title[1]).write_text(text)
            elif kind == "console":
                for command, expected in commands(text):
                    check(command, expected, here, up.variables)
                    ran += 1
    assert ran >= 10
