"""A table reads the same however it was written, or the file is refused; it never reads otherwise."""

import contextlib
import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.encoding import as_utf8
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.forms import AttributeColumn, Form, ItemColumn
from stanine.cli.io.response_file import ResponseFile
from stanine.cli.io.responses import Response

FORM = Form(
    [ItemColumn("A1", [0.5, 1, 1.5]), ItemColumn("q1", ["a", "b;c", "ü|,"])],
    [AttributeColumn("age", "Number", []), AttributeColumn("note", "Text", [])],
)
TEXT = st.text(
    st.characters(codec="cp1252", exclude_categories=["Cc"], exclude_characters='"'), max_size=6
)
Table = list[tuple[str, str, float, str, str]]


def read(content: bytes, options: FileOptions = DEFAULTS) -> list[Response]:
    with as_utf8(io.BytesIO(content), "f", options.encoding) as (stream, encoding):
        return list(ResponseFile(stream, "f", options, encoding).responses(FORM))


def write(table: Table, separator: str, decimal: str, encoding: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(["key", "A1", "age", "q1", "note"])
    for key, answer, age, choice, note in table:
        writer.writerow(
            [key, answer.replace(".", decimal), repr(age).replace(".", decimal), choice, note]
        )
    return out.getvalue().encode(encoding)


def plain(rows: list[Response]) -> list[object]:
    return [(row.key, row.codes, row.attributes, row.fault) for row in rows]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["k1", "é", "10,5"]),
            st.sampled_from(["0.5", "1", "1.0", "1.5", ""]),
            st.sampled_from([0.25, 31.0, 1000.5]),
            st.sampled_from(["a", "b;c", "ü|,", "NA"]),
            TEXT,
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from(".,"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
)
@example([("k1", "1.5", 0.25, "a", "Ã¼")], ";", ",", "cp1252")
def test_a_table_reads_the_same_in_every_dialect(
    table: Table, separator: str, decimal: str, encoding: str
) -> None:
    expected = plain(read(write(table, ",", ".", "utf-8"), FileOptions(separator=",")))
    content = write(table, separator, decimal, encoding)
    named = FileOptions(separator=separator, decimal=decimal, encoding=encoding)
    assert plain(read(content, named)) == expected
    try:
        detected = plain(read(content))
    except InvalidInputError:
        return
    # Bytes that are UTF-8 by chance are read as UTF-8: only texts can differ then.
    is_unclear = encoding == "cp1252" and re.search(rb"[\xc2-\xf4][\x80-\xbf]", content)
    assert is_unclear or detected == expected


def test_utf_8_with_broken_bytes_is_not_read_as_another_encoding() -> None:
    rows = read(b"key,A1,q1,age,note\n\xc3\xbc,1,a,1,\xfc\nx,1,a,1,y\n")
    assert [row.fault is None for row in rows] == [False, True]
    assert rows[0].fault is not None
    assert rows[0].fault.detail.startswith("note: not UTF-8 text; --encoding")


def test_a_decimal_mark_that_comes_after_the_detected_rows_is_a_fault_of_its_row() -> None:
    lines = ["key;A1;q1;age;note", *["k;1,5;a;1;x"] * 2_500, "k;1.5;a;1;x"]
    rows = read("\n".join(lines).encode())
    assert all(row.fault is None for row in rows[:-1])
    assert rows[-1].fault is not None
    assert "--decimal ." in rows[-1].fault.detail


@pytest.mark.parametrize("text", ["1,000", "1.000,5", "1'000", "1 000"])
def test_separators_of_thousands_are_refused(text: str) -> None:
    (row,) = read(f"key;A1;q1;age;note\nk;1;a;{text};x\n".encode(), FileOptions(decimal="."))
    assert row.fault is not None
    assert row.fault.detail.startswith("age: not a number")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([b"key", b"A1", b"q1", b"age", b"note", b",", b";", b"\t", b"\r\n", b"\n", b'"', b"1,5",
                             b"1.5", b"sep=;", b"\xff", b"\xc3\xbc", b"\0", b"{", b'{"ImportId":', b"-9"])
        ).map(b"".join),
    ),
    st.sampled_from([DEFAULTS, FileOptions(labels=True, missing=("-9", ".")), FileOptions(header_row=2, skip_rows=1)]),
    st.sampled_from(["", "utf-16", "cp1252"]),
)  # fmt: skip
def test_any_bytes_are_read_or_refused(content: bytes, options: FileOptions, encoding: str) -> None:
    with contextlib.suppress(InvalidInputError):
        read(content, options._replace(encoding=encoding))
