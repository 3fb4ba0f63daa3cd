"""Workflows pass actionlint, pin their actions, and refer to existing names."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import ROOT
from tests.conftest import need

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))


def parts(node: Any, name: str) -> Iterator[str]:
    """Return every value of a name, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name and isinstance(value, str):
                yield value
            yield from parts(value, name)
    elif isinstance(node, list):
        for each in node:
            yield from parts(each, name)


def actionlint() -> str | None:
    """Return the program from the PATH or from the directory of `go install`."""
    return shutil.which("actionlint") or shutil.which(
        "actionlint", path=os.environ.get("GOBIN") or str(Path.home() / "go/bin")
    )


def test_actionlint_finds_nothing() -> None:
    program = actionlint()
    need("actionlint", found=program is not None)
    done = subprocess.run(
        [str(program), *map(str, WORKFLOWS)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_every_action_is_pinned_by_commit_with_a_version_comment() -> None:
    assert {path.stem for path in WORKFLOWS} == {"checks", "cluster", "release"}
    for path in WORKFLOWS:
        lines = re.findall(r"^.*uses: .*$", path.read_text(), re.MULTILINE)
        assert len(lines) == len(list(parts(yaml.safe_load(path.read_text()), "uses")))
        for line in lines:
            assert re.search(
                r"uses: (\./\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", line
            ), f"{path.name}: {line.strip()}"


def test_one_action_has_one_commit() -> None:
    pins = {
        action
        for path in WORKFLOWS
        for action in parts(yaml.safe_load(path.read_text()), "uses")
        if "@" in action
    }
    assert len(pins) == len({action.partition("@")[0] for action in pins})


def test_every_workflow_declares_its_permissions() -> None:
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] in ({}, {"contents": "read"}), path.name
        for name, job in workflow["jobs"].items():
            writes = {
                right for right, level in job.get("permissions", {}).items() if level == "write"
            }
            allowed = {
                "image": {"packages", "id-token"},
                "charts": {"packages", "id-token"},
                "page": {"contents"},
            }
            assert writes == (allowed.get(name, set()) if path.stem == "release" else set()), (
                f"{path.name}: {name}"
            )


def test_no_expression_is_interpolated_into_a_script() -> None:
    for path in WORKFLOWS:
        for script in parts(yaml.safe_load(path.read_text()), "run"):
            assert "${{" not in script, f"{path.name}: {script[:80]}"


@pytest.mark.parametrize("script", ["charts/package.sh", ".ci/run"])
def test_workflow_scripts_are_readable_and_executable(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert (
        subprocess.run(["bash", "-n", str(path)], capture_output=True, check=False).returncode == 0
    )
