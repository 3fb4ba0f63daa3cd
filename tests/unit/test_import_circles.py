"""No module imports itself over others, not even for types only."""

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules() -> dict[str, Path]:
    """Return our modules by name."""
    found = {}
    for folder in ("services", "operator"):
        for path in (ROOT / folder).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def test_imports_have_no_circle_also_those_for_types() -> None:
    known = modules()
    imports: dict[str, set[str]] = {}
    for name, path in known.items():
        imports[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in known:
                for each in node.names:
                    inner = f"{node.module}.{each.name}"
                    imports[name].add(inner if inner in known else node.module)
    assert len(known) > 100
    assert list(graphlib.TopologicalSorter(imports).static_order())
