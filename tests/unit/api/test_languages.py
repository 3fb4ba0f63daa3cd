"""Language negotiation: requested languages, and the choice among a document's languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.api.web.languages import accepted
from stanine.domain.scoring.index import choose_language


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ("de", ["de"]),
        ("de-AT, en;q=0.5, fr;q=0.8", ["de-AT", "fr", "en"]),
        ("en;q=0.5,de;q=0.5", ["en", "de"]),
        ("de;q=0, en", ["en"]),
        ("fr, *;q=0.5, de;q=0.1", ["fr"]),
        ("*", []),
        ("de ; q=0.3 , en; Q=1.000", ["en", "de"]),
        ("de;q=2, x y, ;q=1, 1234, en;level=1, pt-BR;q=0.123", ["pt-BR"]),
    ],
)
def test_a_header_lists_languages_by_preference(header: str, tags: list[str]) -> None:
    assert accepted(header) == tags


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_accepted(header: str) -> None:
    assert all(tag.isascii() and tag for tag in accepted(header))


@pytest.mark.parametrize(
    ("own", "wanted", "chosen"),
    [
        ("en", ["de"], "de"),
        ("en", ["DE-at"], "de"),
        ("en", ["en", "de"], None),
        ("en-US", ["en", "de"], None),
        ("en", ["en-GB", "de"], None),
        ("en", ["fr", "de"], "de"),
        ("en", ["fr"], None),
        ("en", [], None),
        (None, ["pt"], "pt-BR"),
        (None, ["pt-PT", "de"], "de"),
    ],
)
def test_the_first_available_language_is_served(
    own: str | None, wanted: list[str], chosen: str | None
) -> None:
    assert choose_language(own, {"de": 1, "pt-BR": 2}, wanted) == chosen
