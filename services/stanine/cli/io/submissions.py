"""Converts a file of responses, CSV or NDJSON, into the lines of a bulk submission, each with its place in the file. Called by `submit`.

A row without a key of its own gets one made of the file's SHA-256 and the row's number: submitting the same file again adds nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

import msgspec

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.responses import MISSING, Form, Response, Responses
from stanine.cli.io.sheet import LINE_LIMIT, Sheet
from stanine.cli.io.terminal import rewindable

#: Hex digits of the file's digest in a derived key: 128 bits, and room for the row's number within a key's 64 characters.
_DIGEST_DIGITS = 32
#: Lines of blank rows that are named.
_LINES_NAMED = 5


class Place(NamedTuple):
    """Where in the file something stands: line and column (the CSV field's number), both from 1; a column of 0 is unknown."""

    line: int
    column: int = 0


class Submission(NamedTuple):
    """One line to send, or (with `fault`) one that is not worth sending."""

    place: Place
    body: bytes
    fault: str | None = None


class _Keyed(msgspec.Struct):
    key: Any = None


class Source:
    """A file that has been looked through once, for its digest and its kind, and can be read from the beginning."""

    def __init__(self, stream: IO[bytes], name: str, digest: str) -> None:
        self.name = name
        self._stream, self._digest = stream, digest
        self._columns: dict[str, int] = {}
        #: Rows of blank cells so far, which are no attempts; and the lines of the first of them.
        self.blank_rows = 0
        self.blank_lines: list[int] = []

    def is_csv(self) -> bool:
        """Tell the kind by the first byte that is no space: `{` begins an attempt in JSON, everything else a header."""
        self._stream.seek(0)
        start = self._stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        return not start.startswith(b"{")

    def submissions(
        self, form: Callable[[], Form], ignoring: Callable[[Sequence[str]], None]
    ) -> Iterator[Submission]:
        """Yield the lines to send. `form` is asked for with CSV only, and `ignoring` told the columns without meaning.

        A row of blank cells is left out and counted; one with a key or the like, but without any answer, is a fault.
        Raises InvalidInputError for a file that cannot be read as a whole.
        """
        if self.is_csv():
            self._stream.seek(0)
            yield from self._from_csv(form, ignoring)
        else:
            self._stream.seek(0)
            yield from self._from_ndjson()

    def column_of(self, pointer: str) -> int:
        """Return the number of the CSV column that a JSON pointer of a problem (`/answers/A1`) is about; 0 if there is none."""
        return self._columns.get(pointer.rpartition("/")[2], 0)

    def _key(self, row: int) -> str:
        return f"{self._digest[:_DIGEST_DIGITS]}-{row}"

    def _from_csv(
        self, make_form: Callable[[], Form], ignoring: Callable[[Sequence[str]], None]
    ) -> Iterator[Submission]:
        sheet = Sheet(
            self._stream, self.name
        )  # what is wrong with the file is said without asking a server
        self._columns = {title: place for place, title in enumerate(sheet.header, start=1)}
        form = make_form()
        responses = Responses(sheet, form)
        ignoring(responses.ignored)
        encode = _encoder(form)
        for response in responses:
            if response.is_blank:
                self._skip(response.line)
            elif response.fault:
                yield Submission(
                    Place(response.fault.line, response.fault.column), b"", response.fault.detail
                )
            elif not response.has_answers:
                yield Submission(Place(response.line, 1), b"", "there is no answer in this row")
            else:
                yield Submission(
                    Place(response.line),
                    encode(response, response.key or self._key(response.number)),
                )

    def _skip(self, line: int) -> None:
        self.blank_rows += 1
        if len(self.blank_lines) < _LINES_NAMED:
            self.blank_lines.append(line)

    def _from_ndjson(self) -> Iterator[Submission]:
        number = 0
        while line := self._stream.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise InvalidInputError(
                    f"{self.name}:{number}: a line of more than {LINE_LIMIT:,} bytes: this is no file of attempts"
                )
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not text:
                continue
            try:
                keyed = msgspec.json.decode(text, type=_Keyed)
            except msgspec.MsgspecError as error:
                yield Submission(Place(number), b"", f"not an attempt in JSON: {error}")
                continue
            if keyed.key is None and b'"key"' not in text:
                rest = text[1:].lstrip()
                text = (
                    b'{"key":"'
                    + self._key(number).encode()
                    + (b'"' if rest.startswith(b"}") else b'",')
                    + rest
                )
            yield Submission(Place(number), text)


@contextmanager
def open_source(stream: IO[bytes], name: str) -> Iterator[Source]:
    """Read a file through once for its digest, and yield it to be read again."""
    with rewindable(stream) as kept:
        yield Source(kept, name, hashlib.file_digest(cast("Any", kept), "sha256").hexdigest())


def _encoder(form: Form) -> Callable[[Response, str], bytes]:
    """Return a function that writes a response as the JSON of an attempt; each item's answers are encoded once, not once a row."""
    json = msgspec.json.encode
    answers = [
        [json(item.id) + b":" + json(option) for option in item.options]
        for item in form.items
        if item.cells is None
    ]

    def encode(response: Response, key: str) -> bytes:
        parts = [b'"key":' + json(key)]
        if response.participant is not None:
            parts.append(b'"participant":' + json(response.participant))
        if response.revision is not None:
            parts.append(b'"revision":' + json(response.revision))
        if response.language is not None:
            parts.append(b'"language":' + json(response.language))
        if response.attributes:
            parts.append(b'"attributes":' + json(response.attributes))
        given = [
            texts[code]
            for texts, code in zip(answers, response.codes, strict=True)
            if code != MISSING
        ]
        given += [json(item) + b":" + json(answer) for item, answer in response.answers.items()]
        return b"{" + b",".join(parts) + b',"answers":{' + b",".join(given) + b"}}"

    return encode
