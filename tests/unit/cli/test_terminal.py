"""Output of commands."""

import contextlib
import io
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.io.terminal import View, open_input, show, show_table
from stanine.domain.instruments.document import read_yaml
from stanine.domain.tables.csv_lines import shortest

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=6)
#: Plain scalars that some version of YAML does not read as text.
WORDS = st.sampled_from(
    [
        "y",
        "N",
        "no",
        "On",
        "yes",
        "OFF",
        "true",
        "null",
        "~",
        "1e3",
        "0x1F",
        "1_000",
        "12:30:00",
        "=",
        "<<",
        ".5",
        "",
        "-",
        "é",
        "2026-11-23",
    ]
)
SCALARS = st.one_of(TEXT, WORDS, st.integers(-1000, 1000), st.booleans())
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(WORDS | TEXT, inner))


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_the_same(number: float) -> None:
    text = shortest(number)
    assert float(text) == number
    assert math.copysign(1, float(text)) == math.copysign(1, number)
    assert not text.endswith(".0")


@given(record=PLAIN)
def test_shown_yaml_is_read_alike_by_a_strict_reader(record: object) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show(record, View.YAML, [])
    assert read_yaml(out.getvalue().encode()) == record


def test_a_table_aligns_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(
        [{"scale": "a", "raw": 3.0, "band": None}, {"scale": "long", "raw": 12.25, "band": "low"}]
    )
    assert capsys.readouterr().out == "SCALE    RAW  BAND\na          3\nlong   12.25  low\n"


def test_an_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([])
    assert capsys.readouterr().out == ""


def test_a_file_name_that_is_not_utf_8_is_shown_without_surrogates(tmp_path: Path) -> None:
    """Seen to fail: `stanine validate` and `stanine norms` ended with UnicodeEncodeError."""
    file = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.csv")
    Path(file).write_bytes(b"a\n")
    with open_input(file) as (stream, shown):
        assert stream.read() == b"a\n"
    assert shown == f"{tmp_path}/bad?.csv"
