"""Lines for a bulk submission, out of CSV and NDJSON."""

import hashlib
import io
import json

from stanine.cli.responses import AttributeColumn, Form, ItemColumn
from stanine.cli.submissions import Submission, open_source

FORM = Form(items=[ItemColumn("A1", [1, 2]), ItemColumn("q1", ["a", "b"])], attributes=[AttributeColumn("age", "Integer", [])])


class Pipe(io.BytesIO):
    """A stream that cannot be rewound."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation


def lines_of(content: bytes, stream: io.BytesIO | None = None) -> list[Submission]:
    with open_source(stream or io.BytesIO(content), "f") as source:
        return list(source.submissions(lambda: FORM, lambda _: None))


def test_a_csv_row_becomes_an_attempt_without_its_missing_answers() -> None:
    (line,) = lines_of(b"key,age,A1,q1,participant,revision\nk,31,2,NA,p,3\n")
    assert json.loads(line.body) == {"key": "k", "participant": "p", "revision": 3, "attributes": {"age": 31}, "answers": {"A1": 2}}
    assert line.place == (2, 0)


def test_rows_without_a_key_get_the_same_one_each_time() -> None:
    content = b"A1,q1\n1,a\n1,a\n"
    keys = [json.loads(line.body)["key"] for line in lines_of(content)]
    assert keys == [f"{hashlib.sha256(content).hexdigest()[:32]}-{row}" for row in (1, 2)]
    assert keys == [json.loads(line.body)["key"] for line in lines_of(content, Pipe(content))]
    assert not set(keys) & {json.loads(line.body)["key"] for line in lines_of(content + b"2,a\n")}


def test_json_lines_are_sent_as_they_are_and_keyed_if_they_have_no_key() -> None:
    content = b'\xef\xbb\xbf{"key": "k", "answers": {"A1": 1}}\r\n\n {"answers": {}}\n{}\n'
    lines = lines_of(content)
    digest = hashlib.sha256(content).hexdigest()[:32]
    assert lines[0].body == b'{"key": "k", "answers": {"A1": 1}}'
    assert json.loads(lines[1].body) == {"key": f"{digest}-3", "answers": {}}
    assert json.loads(lines[2].body) == {"key": f"{digest}-4"}
    assert [line.place.line for line in lines] == [1, 3, 4]


def test_a_line_that_is_no_json_object_is_a_fault_at_its_line() -> None:
    lines = lines_of(b'{"key": "a"}\n{"key": \n[1]\n{"key": "b"}\n')
    assert [(line.place.line, line.fault is not None) for line in lines] == [(1, False), (2, True), (3, True), (4, False)]


def test_a_faulty_row_is_not_sent() -> None:
    lines = lines_of(b"A1,q1\n7,a\n1,a\n")
    assert (lines[0].body, lines[0].place) == (b"", (2, 1))
    assert lines[1].fault is None
