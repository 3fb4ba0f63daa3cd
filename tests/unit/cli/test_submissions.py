"""Conversion of CSV and NDJSON to lines of a bulk submission."""

import hashlib
import io
import json

import pytest

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import AttributeColumn, Form, ItemColumn
from stanine.cli.io.submissions import SubmissionLine, open_source

FORM = Form(
    items=[ItemColumn("A1", [1, 2]), ItemColumn("q1", ["a", "b"])],
    attributes=[AttributeColumn("age", "Integer", [])],
)


class Pipe(io.BytesIO):
    """A stream that cannot be rewound."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def lines_of(content: bytes, stream: io.BytesIO | None = None) -> list[SubmissionLine]:
    with open_source(stream or io.BytesIO(content), "f") as source:
        return list(source.submissions(lambda: FORM, lambda _: None))


def test_missing_answers_of_a_csv_row_are_not_sent() -> None:
    (line,) = lines_of(b"key,age,A1,q1,participant,revision\nk,31,2,NA,p,3\n")
    assert json.loads(line.body) == {
        "key": "k",
        "participant": "p",
        "revision": 3,
        "attributes": {"age": 31},
        "answers": {"A1": 2},
    }
    assert line.place == (2, 0)


def test_the_language_of_a_row_is_sent_and_an_invalid_one_is_an_error_at_its_cell() -> None:
    lines = lines_of(
        b"attempt.language,A1,q1\npt-BR,1,a\n,1,a\nNA,2,b\nno language,1,a\npt-BR,2,a\n"
    )
    bodies = [json.loads(line.body) for line in lines if line.fault is None]
    assert [body.get("language") for body in bodies] == ["pt-BR", None, None, "pt-BR"]
    assert not any("attributes" in body for body in bodies)
    assert [(line.place, "language" in line.fault) for line in lines if line.fault] == [
        ((5, 1), True)
    ]


def test_rows_without_a_key_get_the_same_one_each_time() -> None:
    content = b"A1,q1\n1,a\n1,a\n"
    keys = [json.loads(line.body)["key"] for line in lines_of(content)]
    assert keys == [f"{hashlib.sha256(content).hexdigest()[:32]}-{row}" for row in (1, 2)]
    assert keys == [json.loads(line.body)["key"] for line in lines_of(content, Pipe(content))]
    assert not set(keys) & {json.loads(line.body)["key"] for line in lines_of(content + b"2,a\n")}


def test_json_lines_are_sent_unchanged_except_for_missing_keys() -> None:
    content = b'\xef\xbb\xbf{"key": "k", "answers": {"A1": 1}}\r\n\n {"answers": {}}\n{}\n'
    lines = lines_of(content)
    digest = hashlib.sha256(content).hexdigest()[:32]
    assert lines[0].body == b'{"key": "k", "answers": {"A1": 1}}'
    assert json.loads(lines[1].body) == {"key": f"{digest}-3", "answers": {}}
    assert json.loads(lines[2].body) == {"key": f"{digest}-4"}
    assert [line.place.line for line in lines] == [1, 3, 4]


def test_a_line_that_is_not_a_json_object_is_an_error_at_its_line() -> None:
    lines = lines_of(b'{"key": "a"}\n{"key": \n[1]\n{"key": "b"}\n')
    assert [(line.place.line, line.fault is not None) for line in lines] == [
        (1, False),
        (2, True),
        (3, True),
        (4, False),
    ]


def test_an_invalid_row_is_not_sent() -> None:
    lines = lines_of(b"A1,q1\n7,a\n1,a\n")
    assert (lines[0].body, lines[0].place) == (b"", (2, 1))
    assert lines[1].fault is None


def test_blank_rows_are_counted_and_do_not_change_generated_keys() -> None:
    content = b"key,age,A1,q1\n,,1,a\n,,,\n , ,\t,\n,\n,,2,\n"
    with open_source(io.BytesIO(content), "f") as source:
        lines = list(source.submissions(lambda: FORM, lambda _: None))
        assert (source.blank_rows, source.blank_lines) == (3, [3, 4, 5])
    digest = hashlib.sha256(content).hexdigest()[:32]
    assert [json.loads(line.body)["key"] for line in lines] == [f"{digest}-1", f"{digest}-5"]


def test_a_row_without_answers_is_invalid_unless_blank() -> None:
    lines = lines_of(b"key,age,A1,q1\nk,,,\n,31,,\n,,NA,\n,,,\n")
    assert [(line.place, line.fault) for line in lines] == [
        ((line, 1), "no answers in this row") for line in (2, 3, 4)
    ]


def test_other_formats_are_rejected_before_the_form_is_requested() -> None:
    def ask() -> Form:
        raise AssertionError

    with pytest.raises(InvalidInputError), open_source(io.BytesIO(b"PK\x03\x04"), "f") as source:
        list(source.submissions(ask, lambda _: None))


def test_a_file_of_another_program_is_sent_in_the_document_s_coding() -> None:
    form = Form(
        [ItemColumn("A1", [1, 2], "Frage 1", None, [["Nein"], ["Ja"]]), ItemColumn("q1", ["a", "b"])],
        [AttributeColumn("age", "Number", [])],
    )  # fmt: skip
    content = "lfdn;Frage 1;q1;age\r\n7;ja;-9;31,5\r\n8;nein;c;1\r\n".encode("utf-16")
    options = FileOptions(labels=True, missing=("-9",), key_column="lfdn")
    with open_source(io.BytesIO(content), "f", options) as source:
        lines = list(source.submissions(lambda: form, lambda _: None))
        assert source.column_of("/answers/A1") == 2
    assert json.loads(lines[0].body) == {
        "key": "7",
        "attributes": {"age": 31.5},
        "answers": {"A1": 2},
    }
    assert (lines[1].place, lines[1].fault) == ((3, 3), "q1: not one of its options (a, b)")


def test_options_of_columns_are_refused_for_ndjson() -> None:
    with (
        open_source(io.BytesIO(b'{"answers": {"A1": 1}}'), "f", FileOptions(labels=True)) as source,
        pytest.raises(InvalidInputError, match="this is NDJSON"),
    ):
        list(source.submissions(lambda: FORM, lambda _: None))
