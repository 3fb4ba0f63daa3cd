"""The cells of a file of responses: every answer is read as it was written, and what is no answer is refused in words."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.rich_documents import answer, item

from stanine.domain.attempts.cells import ItemCells, form_of_public
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry, item_forms, public_form


def cells_of(one: dict[str, Any], column: str | None = None) -> ItemCells:
    extra = {"id": "x", "text": "t", "options": [{"value": 0}, {"value": 1}]}
    spec = {
        "title": "X",
        "items": [one, extra],
        "scales": [{"id": "s", "items": ["x"], "score": "Sum"}],
    }
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    entry = build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")
    shown = public_form(entry)["items"][0]
    assert (
        ItemCells(form_of_public(shown), column).columns
        == ItemCells(item_forms(entry)[0], column).columns
    )
    return ItemCells(item_forms(entry)[0], column)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_answer_is_read_as_it_was_written(data: st.DataObject) -> None:
    one = data.draw(item("i0"))
    cells = cells_of(one)
    given_ = data.draw(answer(one))
    written = cells.write(given_)
    assert len(written) == len(cells.columns)
    found = cells.read([cell.strip() for cell in written])
    if one["type"] == "Multiple":
        assert sorted(found if isinstance(found, list) else []) == sorted(given_)
    else:
        assert found == (given_ if given_ != "" else None)
    assert cells.read([""] * len(cells.columns)) is None
    assert cells.read(["NA"] * len(cells.columns)) is None


MULTIPLE = {
    "id": "m",
    "text": "t",
    "type": "Multiple",
    "options": [{"value": "a"}, {"value": "b"}, {"value": "c", "exclusive": True}],
}
RANKING = {
    "id": "r",
    "text": "t",
    "type": "Ranking",
    "options": [{"value": "a"}, {"value": "b"}, {"value": "c"}],
}
NUMBER = {"id": "n", "text": "t", "type": "Number", "min": 0, "max": 1, "step": 0.1}
DATE = {"id": "d", "text": "t", "type": "Date"}


def test_columns_are_named_by_the_item_or_its_column_and_an_option_each() -> None:
    assert cells_of(MULTIPLE).columns == ("m.a", "m.b", "m.c")
    assert cells_of(RANKING, "Rank").columns == ("Rank.a", "Rank.b", "Rank.c")
    assert cells_of(NUMBER, "N").columns == ("N",)


@pytest.mark.parametrize(
    ("one", "cells", "found"),
    [
        (MULTIPLE, ["1", "", ""], ["a"]),
        (MULTIPLE, ["0", "", ""], []),
        (MULTIPLE, ["0", "0", "0"], []),
        (MULTIPLE, ["1.0", "1", "NA"], ["a", "b"]),
        (RANKING, ["2", "1", "3"], ["b", "a", "c"]),
        (RANKING, ["2.0", "1", "3"], ["b", "a", "c"]),
        (NUMBER, ["0.3"], 0.3),
        (NUMBER, ["+.3"], 0.3),
        (NUMBER, ["1e-1"], 0.1),
        (DATE, ["2024-02-29"], "2024-02-29"),
    ],
)
def test_cells_say_an_answer(one: dict[str, Any], cells: list[str], found: Any) -> None:
    assert cells_of(one).read(cells) == found


@pytest.mark.parametrize(
    ("one", "cells", "words"),
    [
        (MULTIPLE, ["1", "", "1"], "chosen alone"),
        (MULTIPLE, ["2", "", ""], "1 (chosen) or 0"),
        (MULTIPLE, ["x", "", ""], "1 (chosen) or 0"),
        (RANKING, ["1", "2", ""], "all 3 options have a place"),
        (RANKING, ["1", "2", "2"], "1 to 3, each once"),
        (RANKING, ["1", "2", "4"], "1 to 3, each once"),
        (RANKING, ["a", "b", "c"], "1 to 3, each once"),
        (NUMBER, ["0.35"], "whole steps of 0.1"),
        (NUMBER, ["1,5"], "a number belongs here"),
        (NUMBER, ["2"], "from 0 to 1"),
        (NUMBER, ["nan"], "a number belongs here"),
        (DATE, ["2026-02-29"], "YYYY-MM-DD"),
        (DATE, ["29.02.2024"], "YYYY-MM-DD"),
        (DATE, ["2024-2-9"], "YYYY-MM-DD"),
    ],
)
def test_cells_that_say_no_answer_are_refused(
    one: dict[str, Any], cells: list[str], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        cells_of(one).read(cells)
