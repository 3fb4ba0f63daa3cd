"""docs/reference/validation.md: the tests that it names exist, and have the figures that it gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/validation.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_FIGURE = re.compile(r"`(-?\d[\d.]*(?:e-?\d+)?)`")


def claims() -> Iterator[tuple[str, str, str]]:
    """Yield of each paragraph and line of a table its text, and the file and test that it names."""
    for block in re.split(r"\n(?=[|\-\n#])", PAGE.read_text()):
        for file, test in _TEST.findall(block):
            yield block, file, test


def numbers_of(tree: ast.Module, test: str) -> set[float]:
    """Return the numbers in a test, and in what it uses of its module."""
    known: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            known[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                known |= {name.id: node for name in ast.walk(target) if isinstance(name, ast.Name)}
    found: set[float] = set()
    seen: set[str] = set()
    waiting = [test]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        for part in ast.walk(known[name]):
            if isinstance(part, ast.Name):
                waiting.append(part.id)
            elif isinstance(part, ast.arg):
                waiting.append(part.arg)
            elif isinstance(part, ast.Constant) and isinstance(part.value, int | float):
                found.add(abs(float(part.value)))
    return found


def test_the_page_makes_claims_with_tests() -> None:
    assert len(list(claims())) >= 25
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.startswith(("| what", "| ---"))]
    assert all(_TEST.search(row) for row in rows)


@pytest.mark.parametrize(("text", "file", "test"), list(claims()))
def test_a_named_test_exists_and_has_the_figures(text: str, file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    figures = {abs(float(figure)) for figure in _FIGURE.findall(text)}
    assert figures <= numbers_of(tree, test)
