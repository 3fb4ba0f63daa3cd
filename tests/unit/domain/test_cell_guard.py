"""Escaping of CSV texts against formula injection, and its inverse."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stanine.cli.io.forms import AttributeColumn, Form, ItemColumn
from stanine.cli.io.responses import Responses
from stanine.cli.io.rows import CsvWriter
from stanine.cli.io.sheet import Sheet
from stanine.domain.scoring.result import ScaleResult
from stanine.domain.tables.cell_guard import guard, unguard

RUNNING = "=+-@\t\r"
texts = st.text(max_size=12) | st.text("'=+-@\t\r\n, \"1a", max_size=8)


def written(
    about: dict[str, object],
    scales: dict[str, ScaleResult] | None = None,
    names: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> bytes:
    out = io.StringIO()
    CsvWriter(out, list(about), names).write(about, scales)
    return out.getvalue().encode()


@given(texts, texts)
def test_escaped_cells_are_unique_and_never_formulas(one: str, other: str) -> None:
    assert guard(one)[:1] not in set(RUNNING)
    assert unguard(guard(one)) == one
    assert (guard(one) == guard(other)) == (one == other)
    assert guard(one) in (one, f"'{one}")


@given(texts, texts)
@example("\r", "'\r")
@example("'=1", "''=1")
def test_written_cells_are_read_back_unchanged(key: str, participant: str) -> None:
    (row,) = Sheet(io.BytesIO(written({"key": key, "participant": participant})), "f.csv").rows()
    assert row.fault is None
    assert [unguard(cell) for cell in row.cells] == [key, participant]


@given(
    *[texts.filter(lambda text: guard(text).strip() == guard(text) and text not in {"", "NA"})] * 3
)
def test_written_responses_are_parsed_as_intended(key: str, participant: str, note: str) -> None:
    form = Form([ItemColumn("i1", [-1, 0, "=x"])], [AttributeColumn("note", "Text", ())])
    for answer, code in ((-1, 0), ("=x", 2)):
        content = written({"key": key, "participant": participant, "note": note, "i1": answer})
        (response,) = Responses(Sheet(io.BytesIO(content), "f.csv"), form)
        assert (response.fault, response.key, response.participant) == (None, key, participant)
        assert (response.attributes, response.codes) == ({"note": note}, bytes([code]))


@pytest.mark.parametrize("raw", [-1.5, 0.0, -1e-300])
def test_numbers_stay_numbers_and_bands_are_texts(raw: float) -> None:
    scored = ScaleResult(raw=raw, valid=2, items=2, status="Scored", band="-low")
    content = written(
        {"key": "k", "revision": -3}, {"s": scored}, (("s", ("raw", "valid", "status", "band")),)
    ).decode()
    header, row = csv.reader(io.StringIO(content))
    assert header == ["key", "revision", "s.raw", "s.valid", "s.status", "s.band"]
    assert (row[1], float(row[2]), row[3:]) == ("-3", raw, ["2", "Scored", "'-low"])


@given(texts)
def test_the_documented_expression_undoes_the_guard(text: str) -> None:
    assert re.sub(r"^'(?='*[=+\-@\t\r])", "", guard(text)) == text
