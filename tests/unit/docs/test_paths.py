"""Paths and links in the documentation: what README, CONTRIBUTING and the pages name exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md", "UPGRADING.md", "CHANGELOG.md")),
    ROOT / "charts/stanine/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
#: Folders that the README's table of steps writes its paths below.
BELOW = {"README.md": ("services/stanine", "operator/stanine_operator")}
NAME = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")


def _named(text: str, page: str) -> Iterator[str]:
    """Yield what a page names between backticks that can only be a path: with a suffix of a file, or a slash at its end."""
    for name in NAME.findall(text):
        if re.search(r"/.*\.(py|lua|md|yaml|json|sh)$|/$", name) or (
            page in BELOW and name.endswith((".py", ".lua"))
        ):
            yield name


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/explanation/architecture.md"]
)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = set(_named((ROOT / page).read_text(), page))
    assert len(named) >= 2
    roots = [ROOT, *(ROOT / below for below in BELOW.get(page, ()))]
    assert sorted(name for name in named if not any((root / name).exists() for root in roots)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_path_in_prose_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment and target.suffix == ".md":
            assert fragment in _anchors(target.read_text()), link
    for path in re.findall(r"(?<![\w/.-])docs/[\w./-]*\w", text):
        assert (ROOT / path).exists(), path


def _anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_at_most_120_columns_wide(page: Path) -> None:
    wide, in_block, generated = [], False, False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        in_block ^= line.lstrip().startswith("```")
        generated = (generated or "<!-- made by" in line) and not line.endswith(": end -->")
        # tables, headings, code, generated text, and lines that one link or one piece of code fills
        is_free = (
            in_block
            or generated
            or line.startswith(("|", "#", "<", "    "))
            or len(line.split()) < 3
        )
        if len(line) > 120 and not is_free:
            wide.append(number)
    assert wide == []
