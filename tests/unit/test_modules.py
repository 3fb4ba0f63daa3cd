"""Modules stay small, and a public class name has one meaning (docs/explanation/decisions/0020-names-of-records.md)."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "services" / "stanine", ROOT / "operator" / "stanine_operator")


def public_classes(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names of the public classes of a module, also of those within classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
            yield from public_classes(node.body)
        elif isinstance(node, ast.If | ast.Try):
            yield from public_classes(node.body)


def test_a_public_class_name_is_defined_once() -> None:
    places = defaultdict(list)
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            for name in public_classes(ast.parse(path.read_text()).body):
                places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 500
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_has_more_than_400_lines() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in PACKAGES
        for path in package.rglob("*.py")
    }
    assert {path: size for path, size in sizes.items() if size > 400} == {}
