"""docs/howto/score-a-file.md: its files, and its commands with the documented output."""

import re
from pathlib import Path

from .pages import blocks, check, commands

PAGE = (Path(__file__).parents[3] / "docs/howto/score-a-file.md").read_text()


def test_the_commands_of_the_page_have_the_documented_output(tmp_path: Path) -> None:
    ran = 0
    for kind, text in blocks(PAGE):
        if title := re.search(r"title=(\S+)", kind):
            (tmp_path / title[1]).write_text(text)
        elif kind == "console":
            for command, expected in commands(text):
                check(command, expected, tmp_path, {})
                ran += 1
    assert ran == 4
