"""docs/howto/operate.md names every reason, annotation and option of the operator."""

import ast
from collections.abc import Iterator
from pathlib import Path

from stanine.broker.connection import errors
from stanine_operator.controller import problems
from stanine_operator.controller.kinds import FINALIZER
from stanine_operator.controller.resource import PAUSED_ANNOTATION
from stanine_operator.settings import read_options

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "howto" / "operate.md").read_text()
#: The position of the reason among the arguments of a call.
PLACES = {
    "Verdict": 2,
    "EventSpec": 1,
    "_kept": 0,
    "_both": 0,
    "_leave": 1,
    "describe_unpublished": 0,
    "OperatorProblem": 0,
}
#: Reasons of success, which need no remedy.
WELL = {"Answered", "AsDeclared", "NothingDeclared", "InLayout", "BelowThreshold", "Bootstrapped", "Indexed", "Published", "Drained",
        "QueueDeleted", "InstrumentDeleted", "RevisionPublished", "Rescored", "DriftCorrected", "UsersLoaded"}  # fmt: skip


def test_every_reason_is_documented_with_its_remedy() -> None:
    reasons = {
        problem.reason
        for problem in vars(errors).values()
        if isinstance(problem, errors.ServerProblem)
    }
    reasons |= {
        value for name, value in vars(problems).items() if name.isupper() and isinstance(value, str)
    }
    for file in (ROOT / "operator" / "stanine_operator").rglob("*.py"):
        reasons |= set(_literal_reasons(file))
    assert len(reasons) > 35
    assert sorted(reason for reason in reasons - WELL if f"`{reason}`" not in PAGE) == []


def _literal_reasons(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            place = PLACES.get(node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            if place is not None and len(node.args) > place:
                reason = node.args[place]
                if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
                    yield reason.value


def test_documented_names_match_the_code() -> None:
    assert f'`{PAUSED_ANNOTATION}: "true"`' in PAGE
    assert f"`{FINALIZER}`" in PAGE
    options = read_options(
        [
            "--namespace",
            "a,b",
            "--namespace",
            "c",
            "--workers",
            "3",
            "--operator-id",
            "x",
            "--health-port",
            "1",
        ],
        {},
    )
    assert (options.namespaces, options.workers, options.operator_id) == (("a", "b", "c"), 3, "x")
    for option in (
        "--namespace",
        "--all-namespaces",
        "--workers",
        "--operator-id",
        "--health-host",
        "--health-port",
    ):
        assert f"`{option}" in PAGE
