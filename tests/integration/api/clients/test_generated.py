"""Clients generated from /openapi.json: Python against a served API, TypeScript by its compiler.

`install.sh` in this folder installs the generators in separate environments.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import need
from tests.integration.api.serving import ADMIN, Serving, document
from tests.integration.api.test_queues import bury

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
PYTHON = ROOT / ".stanine" / "clients-venv"
NODE = ROOT / ".stanine" / "clients-node"

Step = Callable[..., dict[str, Any]]


def run(*command: str | Path, **more: Any) -> str:
    """Run a program that must succeed; return its output."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
        **more,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def description(api: Serving, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_bytes(api.http(None).get("/openapi.json").content)
    return path


@pytest.fixture
def step(api: Serving, tmp_path: Path) -> Step:
    """Run a step of python_client.py with the generated client."""
    need("client-generators", found=(PYTHON / ".installed").exists())
    said = run(
        PYTHON / "bin/openapi-python-client", "generate", "--path", description(api, tmp_path), "--config", HERE / "generator.yaml",
        "--output-path", tmp_path / "stanine_client", "--meta", "none",
    )  # fmt: skip
    # This generator does not support YAML, so documents are sent as JSON. Anything else that it omits is an error
    # of the description.
    assert said.count("WARNING") == 1, said
    assert "Unsupported content type application/yaml" in said

    def step(name: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        environment = {
            name: value for name, value in os.environ.items() if name != "PYTHONPATH"
        } | {"PYTHONPATH": str(tmp_path)}
        command = (
            PYTHON / "bin/python",
            "-W",
            "error",
            HERE / "python_client.py",
            name,
            api.url,
            ADMIN,
        )
        answer: dict[str, Any] = json.loads(run(*command, input=json.dumps(given), env=environment))
        return answer

    return step


def test_a_generated_python_client_publishes_submits_and_reads(api: Serving, step: Step) -> None:
    assert step("publish", document()) == {
        "revision": 1,
        "changed": True,
        "again": 200,
        "againChanged": False,
    }
    api.publish(document())  # like the indexWatcher

    submitted = step("submit")
    attempts = submitted.pop("attempts")
    assert submitted == {
        "ready": True,
        "titles": ["Mood"],
        "options": [1, 2, 3, 4, 5],
        "one": [attempts[0], "Submitted"],
        "wrong": [422, "/answers/i1"],
        "statuses": [409] + [202] * 299,
        "conflict": "urn:stanine:problem:key-conflict",
    }

    api.score(*[{"attempt": attempt} for attempt in attempts])
    found = step("results")
    expected = [1.5] + [(number % 5 + 1 + 3 + 4) / 3 for number in range(2, 301)]
    assert found.pop("scores") == pytest.approx(dict(zip(attempts, expected, strict=True)))
    assert found == {
        "person": 5,
        "first": "Scored",
        "answers": {"i1": 1, "i2": 2, "i3": None},
        "missing": [404, "urn:stanine:problem:not-found"],
    }


def test_a_generated_python_client_handles_dead_letters(api: Serving, step: Step) -> None:
    for _ in range(3):
        bury(api, ids=bytes(16))
    assert step("letters") == {
        "listed": [2, 1, None],
        "reason": "ValueError",
        "counts": [1, 2],
        "dead": [0, 0],
    }


def test_generated_typescript_types_compile_and_describe_requests_and_answers(
    shared: Serving, tmp_path: Path
) -> None:
    need("client-generators", found=(NODE / ".installed").exists())
    run(
        NODE / "node_modules/.bin/openapi-typescript",
        description(shared, tmp_path),
        "-o",
        tmp_path / "stanine.d.ts",
    )
    (tmp_path / "client.ts").write_bytes((HERE / "typescript_client.ts").read_bytes())
    run(NODE / "node_modules/.bin/tsc", "--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler",
        tmp_path / "client.ts")  # fmt: skip
