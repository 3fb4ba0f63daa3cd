"""README and CLI page against the programs: console blocks run in order, Redis functions exist, examples score."""

import shutil
from pathlib import Path

import pytest
from tests.conftest import need

from stanine.cli import exits
from stanine.cli.main import COMMANDS

from .conftest import Run, Up, running_up
from .pages import blocks, check, commands

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
CONSOLE = [one for kind, text in blocks(README) if kind == "console" for one in commands(text)]


def test_console_blocks_print_the_documented_output(tmp_path: Path) -> None:
    need("curl", found=shutil.which("curl") is not None)
    assert len(CONSOLE) >= 7
    with running_up(tmp_path / "data") as up:
        for command, expected in CONSOLE:
            check(command, expected, ROOT, up.variables)


def test_the_redis_functions_it_names_exist() -> None:
    way = README.split("## The way of the data")[1].split("## On Kubernetes")[0]
    functions = "".join(
        path.read_text() for path in (ROOT / "services/stanine/store/functions").glob("*.lua")
    )
    for name in ("publish", "put_index", "submit", "commit_results"):
        assert f"`{name}`" in way
        assert f"register('{name}', " in functions


def test_every_command_and_exit_status_is_documented() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    assert all(
        f"`stanine {command} " in page or f"`stanine {command}`" in page for command in COMMANDS
    )
    statuses = {value for name, value in vars(exits).items() if name.isupper()}
    assert statuses == {*range(8), 130}
    assert all(f"\n| {status} | " in page for status in statuses)


@pytest.mark.parametrize(
    "responses", sorted((ROOT / "examples/responses").glob("*.csv")), ids=lambda path: path.name
)
def test_the_example_responses_score(stanine: Run, responses: Path) -> None:
    ran = stanine("score", ROOT / "examples/instruments" / f"{responses.stem}.yaml", responses)
    assert (ran.status, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == len(responses.read_text().splitlines())


@pytest.mark.parametrize(
    "attempts", sorted((ROOT / "examples/responses").glob("*.ndjson")), ids=lambda path: path.name
)
def test_the_example_lines_are_accepted(stanine: Run, up: Up, attempts: Path) -> None:
    assert (
        stanine(
            "publish",
            "--wait",
            ROOT / "examples/instruments" / f"{attempts.stem}.yaml",
            **up.variables,
        ).status
        == 0
    )
    ran = stanine("submit", attempts.stem, attempts, "--wait", **up.variables)
    assert (ran.status, ran.err) == (0, "")
