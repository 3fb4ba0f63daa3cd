"""Reading of CSV files with errors."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.sheet import LINE_LIMIT, Row, Sheet, is_text


def read(content: bytes) -> tuple[list[str], list[Row]]:
    sheet = Sheet(io.BytesIO(content), "f.csv")
    return sheet.header, list(sheet.rows())


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)


@given(
    st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_output_of_the_csv_module_is_read_back(
    rows: list[list[str]], ending: str, marked: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    header, found = read(out.getvalue().encode("utf-8-sig" if marked else "utf-8"))
    assert header == ["a", "b", "c"]
    assert [row.cells for row in found] == rows
    assert all(row.fault is None for row in found)
    assert [row.number for row in found] == list(range(1, len(rows) + 1))


def test_rows_have_their_first_line_after_multiline_cells() -> None:
    _, rows = read(b'a,b\n1,"two\nlines"\n\n3,4\n')
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("line", "column"),
    [(b'1,"2', 2), (b'"1"x,2', 1), (b'1,"a""b', 2), (b"1,2,3", 3), (b"1", 2)],
    ids=["unclosed", "text after a quote", "unclosed with a doubled quote", "too many", "too few"],
)
def test_a_broken_row_affects_no_other_row_and_is_located(line: bytes, column: int) -> None:
    _, rows = read(b"a,b\n" + line + b"\n3,4\n5,6\n")
    assert rows[0].fault is not None
    assert (rows[0].fault.line, rows[0].fault.column) == (2, column)
    assert [(row.number, row.line, row.cells) for row in rows[1:]] == [
        (2, 3, ["3", "4"]),
        (3, 4, ["5", "6"]),
    ]


def test_an_unclosed_quote_does_not_consume_the_file() -> None:
    _, rows = read(b'a,b\n1,"2\n' + b"3,4\n" * 100_000)
    assert len(rows) == 100_001
    assert sum(row.fault is not None for row in rows) == 1


def test_a_blank_line_is_skipped_except_in_a_single_column() -> None:
    assert [row.cells for row in read(b"a,b\n\n1,2\n\n")[1]] == [["1", "2"]]
    assert [row.cells for row in read(b"a\n1\n\n2\n")[1]] == [["1"], [""], ["2"]]


def test_invalid_utf8_is_reported_only_in_used_cells() -> None:
    _, rows = read(b"a,b\n\xff,2\n")
    assert not is_text(rows[0].cells[0])
    assert is_text(rows[0].cells[1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "missing header"),
        (b"\n1,2\n", "missing header"),
        (b" , \n", "missing header"),
        (b"\xff\xfea\x00", "not text"),
        (b'"a\n', "header cannot be read"),
        (b"a,b\rc,d\r", "carriage return"),
        (b"a" * (LINE_LIMIT + 1), "bytes"),
    ],
    ids=["empty", "blank", "blank cells", "utf-16", "unclosed", "old Mac", "one endless line"],
)
def test_an_unusable_file_is_rejected(content: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        read(content)


def test_an_endless_row_is_rejected_in_bounded_memory() -> None:
    with pytest.raises(InvalidInputError, match="characters"):
        read(b"a,b\n" + b'"x\n",' * (LINE_LIMIT // 2))
