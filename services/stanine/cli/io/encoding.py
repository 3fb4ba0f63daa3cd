"""Detects the encoding of a file of responses and yields it as UTF-8. Called by `response_file`.

UTF-8 with or without byte order mark; UTF-16; Windows-1252, if bytes are not UTF-8 and none are UTF-8 of several bytes.
"""

import codecs
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.other_formats import recognise

#: Bytes read at a time.
_CHUNK = 1 << 20
#: Bytes in which UTF-16 without a byte order mark is recognised by its zeros.
_BEGINNING = 512
_ONE_BYTE = "windows-1252"
#: A character that is neither ASCII nor a byte that is not UTF-8.
_OF_SEVERAL_BYTES = re.compile("[^\x00-\x7f\udc80-\udcff]")


@contextmanager
def as_utf8(stream: IO[bytes], name: str, wanted: str) -> Iterator[tuple[IO[bytes], str]]:
    """Yield the file as UTF-8 and a label of its encoding, if it was detected and is not plain UTF-8.

    `stream` is seekable and at its start. `wanted`: the encoding that the user named, or empty. Raises InvalidInputError
    if the bytes are not of the encoding.
    """
    encoding, label = (wanted, "") if wanted else _detect(stream)
    if encoding in {"utf-8", "utf-8-sig"}:
        yield stream, label
        return
    with tempfile.TemporaryFile() as kept:
        _transcode(stream, kept, name, encoding)
        kept.seek(0)
        yield kept, label


def _detect(stream: IO[bytes]) -> tuple[str, str]:
    start = stream.tell()
    head = stream.read(_BEGINNING)
    stream.seek(start)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "UTF-16"
    for encoding, zeros, others in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if len(head) > 1 and zeros.count(0) > 0.9 * len(zeros) and not others.count(0):
            return encoding, "UTF-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", "UTF-8 with a byte order mark"
    if recognise(head):  # another format, which `sheet` reports
        return "utf-8", ""
    if _is_one_byte(stream):
        return _ONE_BYTE, "Windows-1252, because it is not UTF-8"
    return "utf-8", ""


def _is_one_byte(stream: IO[bytes]) -> bool:
    """Return whether the file has bytes that are not ASCII, and none of them form UTF-8.

    A file with both is read as UTF-8, and its broken cells are refused one by one.
    """
    start = stream.tell()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = False
    try:
        while chunk := stream.read(_CHUNK):
            text = decoder.decode(chunk)
            if _OF_SEVERAL_BYTES.search(text):
                return False
            broken = broken or not text.isascii()
        return broken or bool(decoder.decode(b"", final=True))
    finally:
        stream.seek(start)


def _transcode(stream: IO[bytes], out: IO[bytes], name: str, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    lines = 1
    try:
        while chunk := stream.read(_CHUNK):
            text = decoder.decode(chunk)
            lines += text.count("\n")
            out.write(text.encode("utf-8", "surrogatepass"))
        out.write(decoder.decode(b"", final=True).encode())
    except UnicodeError:
        raise InvalidInputError(
            f"{name}:{lines}: the text from here on is not {encoding}; --encoding names the encoding of the file"
        ) from None
