"""How a file of responses is to be read, as the user says. Filled in by `file_parameters`.

What is left open is detected by `encoding`, `dialect` and `decimals`.
"""

import codecs
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.column_map import ColumnSettings, read_column_map

#: Names of separators that are hard to type in a shell.
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "space": " "}


class FileOptions(NamedTuple):
    """The options of a file. An empty text and None mean: detect it.

    `missing`: codes of missing answers in all columns. `labels`: cells may have labels of options. `header_row`: the
    line with the columns' names. `skip_rows`: rows below it that are no responses. `columns`: see `column_map`.
    """

    separator: str = ""
    decimal: str = ""
    encoding: str = ""
    missing: tuple[str, ...] = ()
    labels: bool = False
    key_column: str = ""
    header_row: int | None = None
    skip_rows: int | None = None
    columns: Mapping[str, ColumnSettings] = {}


#: Detect everything.
DEFAULTS = FileOptions()


def parse_options(
    separator: str,
    decimal: str,
    encoding: str,
    missing: Sequence[str],
    labels: bool,
    key_column: str,
    header_row: int | None,
    skip_rows: int | None,
    columns: str,
) -> FileOptions:
    """Return checked options; `columns` is the path of a column map or empty.

    Raises InvalidInputError.
    """
    return FileOptions(
        _separator(separator),
        _decimal(decimal),
        _encoding(encoding),
        tuple(code.strip() for text in missing for code in text.split(",") if code.strip()),
        labels,
        key_column,
        header_row,
        skip_rows,
        read_column_map(columns) if columns else {},
    )


def _separator(text: str) -> str:
    mark = _NAMED.get(text.lower(), text)
    if len(mark) > 1 or mark in {'"', "\r", "\n"} or mark.isalnum():
        raise InvalidInputError(
            f"--separator {text}: one character, such as ; or , or the word tab, belongs here"
        )
    return mark


def _decimal(text: str) -> str:
    mark = {"comma": ",", "point": "."}.get(text.lower(), text)
    if mark not in {"", ".", ","}:
        raise InvalidInputError(f"--decimal {text}: . or , belongs here")
    return mark


def _encoding(text: str) -> str:
    if not text:
        return ""
    try:
        name = codecs.lookup(text).name
        b"a".decode(name, "ignore")  # a codec that is not for text raises LookupError
    except (LookupError, ValueError):
        raise InvalidInputError(
            f"--encoding {text}: not known; such as utf-8, utf-16, windows-1252, iso-8859-2"
        ) from None
    return name
