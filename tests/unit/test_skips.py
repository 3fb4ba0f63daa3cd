"""A run on a bare machine closes with what to install."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import skips

TESTS = Path(__file__).parents[1]


def test_every_part_that_a_test_needs_has_a_remedy() -> None:
    named = {
        name
        for path in TESTS.rglob("*.py")
        for name in re.findall(r'\bneed\("([\w-]+)"', path.read_text())
    }
    assert named <= skips.REMEDIES.keys()
    assert {"helm", "redis-server"} <= named


def test_a_run_that_skips_closes_with_one_line_for_each_reason(tmp_path: Path) -> None:
    (tmp_path / "test_bare.py").write_text(
        "import pytest\nfrom tests.conftest import need\n"
        "@pytest.mark.parametrize('part', ['helm', 'helm', 'openssl'])\n"
        "def test_it(part): need(part, found=False)\n"
    )
    command: list[str] = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-c",
        str(TESTS.parent / "pyproject.toml"),
        str(tmp_path),
    ]
    bare = {name: value for name, value in os.environ.items() if name != "STANINE_REQUIRE"}
    done = subprocess.run(
        command, env=bare, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    closing = [line for line in done.stdout.splitlines() if "skipped: " in line]
    assert closing == [
        f"2 skipped: {skips.reason('helm')}",
        f"1 skipped: {skips.reason('openssl')}",
    ]
    assert "SKIPPED" not in done.stdout
