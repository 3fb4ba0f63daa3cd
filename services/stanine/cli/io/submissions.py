"""Converts a file of responses into the lines of a bulk submission. Called by `submit`.

A row without a key gets one from the file's SHA-256 and the row's number, so that submitting the file again adds
nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

import msgspec

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.cell_parsers import MISSING
from stanine.cli.io.encoding import as_utf8
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.forms import Form
from stanine.cli.io.response_file import ResponseFile
from stanine.cli.io.responses import Response, Responses
from stanine.cli.io.sheet import LINE_LIMIT
from stanine.cli.io.terminal import rewindable

#: Hex digits of the digest in a derived key: 128 bits; a key has 64 characters including the row number.
_DIGEST_DIGITS = 32
#: Line numbers of blank rows listed in the message.
_LINES_NAMED = 5


class Place(NamedTuple):
    """A position in the file: line and column (the field number), from 1; column 0 is unknown."""

    line: int
    column: int = 0


class SubmissionLine(NamedTuple):
    """One line to send, or (with `fault`) an invalid one."""

    place: Place
    body: bytes
    fault: str | None = None


class _Keyed(msgspec.Struct):
    key: Any = None


class Source:
    """A file that was read once for its digest and format, and can be read again."""

    def __init__(self, file: ResponseFile, digest: str) -> None:
        self.name = file.name
        self._file, self._stream, self._digest = file, file.stream, digest
        self._responses: Responses | None = None
        #: Number of blank rows so far, and the first of their lines.
        self.blank_rows = 0
        self.blank_lines: list[int] = []

    def is_csv(self) -> bool:
        """Return whether the file is CSV: JSON begins with `{`."""
        self._stream.seek(0)
        start = self._stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        return not start.startswith(b"{")

    def submissions(
        self, form: Callable[[], Form], on_ignored: Callable[[Sequence[str]], None]
    ) -> Iterator[SubmissionLine]:
        """Yield the lines to send. `form` is called for CSV, `on_ignored` with the unknown columns.

        Blank rows are skipped and counted; a row with a key but without answers is invalid. Raises
        InvalidInputError if the file cannot be read.
        """
        if self.is_csv():
            yield from self._from_csv(form, on_ignored)
        else:
            if self._file.options._replace(encoding="") != DEFAULTS:
                raise InvalidInputError(
                    f"{self.name}: this is NDJSON; options of columns and cells are for CSV"
                )
            self._stream.seek(0)
            yield from self._from_ndjson()

    def column_of(self, pointer: str) -> int:
        """Return the CSV column number for a problem's JSON pointer (`/answers/A1`); 0: none."""
        name = pointer.rpartition("/")[2]
        return 0 if self._responses is None else self._responses.column_of(name)

    def _key(self, row: int) -> str:
        return f"{self._digest[:_DIGEST_DIGITS]}-{row}"

    def _from_csv(
        self, make_form: Callable[[], Form], on_ignored: Callable[[Sequence[str]], None]
    ) -> Iterator[SubmissionLine]:
        self._file.sheet()  # errors of the file are reported without a request
        form = make_form()
        self._responses = responses = self._file.responses(form)
        on_ignored(responses.ignored)
        encode = _encoder(form)
        for response in responses:
            if response.is_blank:
                self._skip(response.line)
            elif response.fault:
                yield SubmissionLine(
                    Place(response.fault.line, response.fault.column), b"", response.fault.detail
                )
            elif not response.has_answers:
                yield SubmissionLine(Place(response.line, 1), b"", "no answers in this row")
            else:
                yield SubmissionLine(
                    Place(response.line),
                    encode(response, response.key or self._key(response.number)),
                )

    def _skip(self, line: int) -> None:
        self.blank_rows += 1
        if len(self.blank_lines) < _LINES_NAMED:
            self.blank_lines.append(line)

    def _from_ndjson(self) -> Iterator[SubmissionLine]:
        number = 0
        while line := self._stream.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise InvalidInputError(
                    f"{self.name}:{number}: a line of more than {LINE_LIMIT:,} bytes: this is not a file of attempts"
                )
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not text:
                continue
            try:
                keyed = msgspec.json.decode(text, type=_Keyed)
            except msgspec.MsgspecError as error:
                yield SubmissionLine(Place(number), b"", f"not an attempt in JSON: {error}")
                continue
            if keyed.key is None and b'"key"' not in text:
                rest = text[1:].lstrip()
                text = (
                    b'{"key":"'
                    + self._key(number).encode()
                    + (b'"' if rest.startswith(b"}") else b'",')
                    + rest
                )
            yield SubmissionLine(Place(number), text)


@contextmanager
def open_source(stream: IO[bytes], name: str, options: FileOptions = DEFAULTS) -> Iterator[Source]:
    """Read a file once for its digest and yield a Source. Raises InvalidInputError if it cannot be decoded."""
    with rewindable(stream) as kept:
        digest = hashlib.file_digest(cast("Any", kept), "sha256").hexdigest()
        kept.seek(0)
        with as_utf8(kept, name, options.encoding) as (text, encoding):
            yield Source(ResponseFile(text, name, options, encoding), digest)


def _encoder(form: Form) -> Callable[[Response, str], bytes]:
    """Return a function that encodes a response as JSON; encoded answers are cached."""
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
