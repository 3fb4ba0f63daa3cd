"""Detection of other file formats and of similar column names, with remedies."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.forms import Form, ItemColumn
from stanine.cli.io.other_formats import recognise
from stanine.cli.io.responses import Responses
from stanine.cli.io.sheet import LINE_LIMIT, Sheet
from stanine.domain.attempts.cells import ItemCells, form_of_public

FORM = Form([ItemColumn("A1", [1, 2]), ItemColumn("mood_2", [1, 2])], [])


def read(content: bytes) -> Responses:
    """Read as separated by commas, as with `--separator ,`."""
    return Responses(Sheet(io.BytesIO(content), "f"), FORM)


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(content)
    return str(caught.value)


def workbook() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(
                "[Content_Types].xml", "x" * (LINE_LIMIT + 10)
            )  # a line over the limit
        return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (workbook(), ".xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
        (b"$FL2@(#) SPSS DATA FILE", "SPSS"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\x1f\x8b\x08\x00", "gunzip"),
        (b"k\0\0key", "not text"),
        (b"<html><table>", "HTML"),
        (b'[{"key": "a"}]', "NDJSON"),
        (b"[\n", "NDJSON"),
        (b"A1;mood_2\n1;2\n", "semicolons"),
        (b'"A1";"mood_2"\n"1";"2"\n', "semicolons"),
        (b'A1;"mood_2"\n', "semicolons"),
        (b'"A1, the first";"mood_2"\n', "semicolons"),
        (b"A1\tmood_2\n", "tabs"),
        (b'"A1"\t"mood_2"\n', "tabs"),
        (b'"A1"|"mood_2"\n', "vertical bars"),
        (b'"A1,mood_2"\n', "quotes"),
    ],
)
def test_other_formats_are_named_with_a_remedy(content: bytes, says: str) -> None:
    assert says in refusal(content)


def test_a_broken_quote_is_not_taken_for_another_separator() -> None:
    assert "separated by" not in refusal(b'"A1"x;y,mood_2\n')


@given(
    st.lists(
        st.text(
            st.characters(codec="utf-8", exclude_characters='\0\r\n"[<$'), min_size=1, max_size=8
        ),
        min_size=2,
        max_size=4,
    )
)
def test_ordinary_headers_are_csv(names: list[str]) -> None:
    assert names[0].lower().startswith("sep=") or recognise(",".join(names).encode()) == ""


@pytest.mark.parametrize("title", ["a1", " A1", "A1 ", "A 1", "A-1", "a_1", "\u200bA1", "A1\u00a0"])
def test_names_that_differ_in_case_or_spaces_are_suggested(title: str) -> None:
    said = refusal(f"{title},mood_2\n1,2\n".encode())
    assert said.startswith("f:1: missing column for A1\n")
    assert said.endswith(f"{title!r} is probably A1")


def test_unknown_columns_with_similar_names_are_reported() -> None:
    assert read(b"Key,Participant ,A1,MOOD-2,mood_2,note\n").ignored == [
        "'Key' (is it key?)",
        "'Participant ' (is it participant?)",
        "MOOD-2",  # mood_2 exists
        "note",
    ]


def test_row_names_of_r_are_recognised_in_the_first_row_only() -> None:
    first, second = read(b"A1,mood_2\n1,1,2\n2,1,2\n")
    assert first.fault is not None
    assert second.fault is not None
    assert "row.names=FALSE" in first.fault.detail
    assert second.fault.detail == "3 fields, but the header has 2"


RANKED = form_of_public(
    {"id": "r", "type": "Ranking", "options": [{"value": value} for value in ("x", "y", "z")]}
)
RANKING = Form([ItemColumn("r", ["x", "y", "z"], cells=ItemCells(RANKED))], [])


@pytest.mark.parametrize("header", ["r[1],r[2],r[3]", "r_1,r_2,r_3"])
def test_columns_of_a_ranking_by_place_are_explained(header: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Responses(Sheet(io.BytesIO(f"{header}\ny,x,z\n".encode()), "f"), RANKING)
    assert "missing column for r.x, r.y, r.z" in str(caught.value)
    assert "in order of place" in str(caught.value)
    with pytest.raises(InvalidInputError) as caught:
        Responses(Sheet(io.BytesIO(b"r[1],r[2],other\n"), "f"), RANKING)
    assert "in order of place" not in str(caught.value)


def test_options_in_the_columns_of_a_ranking_are_explained_without_quoting_them() -> None:
    options, other = Responses(Sheet(io.BytesIO(b"r.x,r.y,r.z\ny,x,z\n1,2,2\n"), "f"), RANKING)
    assert options.fault is not None
    assert other.fault is not None
    assert options.fault.detail.endswith("each belongs to one option and holds its place")
    assert other.fault.detail == "r.x: the places are 1 to 3, each once"
