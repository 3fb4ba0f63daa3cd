"""`stanine validate`: its lines, records and exit statuses."""

import json
import re
from pathlib import Path

import pytest
import typer

from stanine.cli.commands.validate import validate
from stanine.cli.exits import INVALID, InvalidInputError
from stanine.cli.io.terminal import View

EXAMPLES = Path(__file__).parents[3] / "examples"
BAD = """\
apiVersion: v1
kind: Secret
metadata: {name: passed-over}
---
apiVersion: stanine.dev/v1alpha1
kind: Queue
metadata: {name: refused}
spec:
  queueName: results
  purge:
    part: Ready
    token: t
    actor: build_index
  maxRetry: 3
---
apiVersion: stanine.dev/v1alpha1
kind: RedisConfig
metadata:
  name: not-ready
spec:
  connection: {host: redis}
  server:
    - name: maxmemory-samples
      value: "9000"
"""


def test_all_examples_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    validate(
        [
            str(path)
            for folder in ("resources", "instruments")
            for path in sorted((EXAMPLES / folder).glob("*.yaml"))
        ]
    )
    shown = capsys.readouterr()
    doubtful = [line.partition(": warning: ")[0] for line in shown.err.splitlines()]
    assert [re.sub(r".*/|:\d+$", "", each) for each in doubtful] == [
        "ability.yaml", "ability.yaml", "ability.yaml", "phq-9.yaml",
    ]  # fmt: skip
    assert shown.out.count(" Valid ") >= 10


def test_each_error_has_its_file_line_and_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(typer.Exit) as raised:
        validate([str(path)])
    assert raised.value.exit_code == INVALID
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert lines[0].startswith(f"{path}:10: spec.purge: only dead letters")
    assert lines[1].startswith(f"{path}:14: spec.maxRetry: there is no such field")
    assert lines[2] == f"{path}:24: spec.server[0].value: maxmemory-samples: outside 1 to 64"
    assert len(lines) == 3
    assert [line.split()[:3] for line in shown.out.splitlines()[1:]] == [
        ["Queue", "refused", "Refused"],
        ["RedisConfig", "not-ready", "NotReady"],
    ]


def test_a_record_has_the_condition_of_the_operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(typer.Exit):
        validate([str(path)], View.JSON)
    refused, not_ready = json.loads(capsys.readouterr().out)
    assert refused["condition"] is None
    assert not_ready["condition"] == {
        "type": "Ready",
        "status": "False",
        "reason": "InvalidParameter",
        "message": "spec.server[0].value: maxmemory-samples: outside 1 to 64",
    }


def test_files_without_stanine_resources_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("apiVersion: v1\nkind: Secret\n")
    with pytest.raises(InvalidInputError, match=r"stanine\.dev/v1alpha1"):
        validate([str(path)])


def test_broken_yaml_is_an_error_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("---\na: 1\n---\nb: {\n")
    with pytest.raises(typer.Exit):
        validate([str(path)])
    assert capsys.readouterr().err.startswith(f"{path}:5:1: not YAML")
