"""Reading CSV as people have it."""

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
def test_whatever_the_csv_writer_writes_is_read_back(
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


def test_rows_know_the_line_they_begin_on_after_cells_of_several_lines() -> None:
    _, rows = read(b'a,b\n1,"two\nlines"\n\n3,4\n')
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("line", "column"),
    [(b'1,"2', 2), (b'"1"x,2', 1), (b'1,"a""b', 2), (b"1,2,3", 3), (b"1", 2)],
    ids=["unclosed", "text after a quote", "unclosed with a doubled quote", "too many", "too few"],
)
def test_a_broken_row_costs_itself_only_and_says_where(line: bytes, column: int) -> None:
    _, rows = read(b"a,b\n" + line + b"\n3,4\n5,6\n")
    assert rows[0].fault is not None
    assert (rows[0].fault.line, rows[0].fault.column) == (2, column)
    assert [(row.number, row.line, row.cells) for row in rows[1:]] == [
        (2, 3, ["3", "4"]),
        (3, 4, ["5", "6"]),
    ]


def test_a_quote_never_closed_swallows_nothing_however_long_the_file() -> None:
    _, rows = read(b'a,b\n1,"2\n' + b"3,4\n" * 100_000)
    assert len(rows) == 100_001
    assert sum(row.fault is not None for row in rows) == 1


def test_a_blank_line_is_nothing_in_a_table_and_a_blank_cell_in_a_column() -> None:
    assert [row.cells for row in read(b"a,b\n\n1,2\n\n")[1]] == [["1", "2"]]
    assert [row.cells for row in read(b"a\n1\n\n2\n")[1]] == [["1"], [""], ["2"]]


def test_bytes_that_are_not_utf8_are_found_where_they_matter() -> None:
    _, rows = read(b"a,b\n\xff,2\n")
    assert not is_text(rows[0].cells[0])
    assert is_text(rows[0].cells[1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no header"),
        (b"\n1,2\n", "no header"),
        (b" , \n", "no header"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b'"a\n', "header cannot be read"),
        (b"a,b\rc,d\r", "carriage return"),
        (b"a" * (LINE_LIMIT + 1), "bytes"),
    ],
    ids=["empty", "blank", "blank cells", "utf-16", "unclosed", "old Mac", "one endless line"],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        read(content)


def test_a_row_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(InvalidInputError, match="characters"):
        read(b"a,b\n" + b'"x\n",' * (LINE_LIMIT // 2))
