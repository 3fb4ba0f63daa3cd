"""Detects files and tables that other programs write in another form, and explains how to convert them.

Called by `encoding`, `sheet` and `locating`.
"""

import re
from collections.abc import Sequence

_SAVE = "save the sheet as CSV (UTF-8)"
#: First bytes of a file, its format, and the remedy.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (
        b"PK\x03\x04",
        f"this is a workbook (.xlsx, .ods) or another zip archive, not a CSV file: {_SAVE}",
    ),
    (b"\xd0\xcf\x11\xe0", f"this is an old Excel workbook (.xls), not a CSV file: {_SAVE}"),
    (b"$FL2", f"this is an SPSS file (.sav), not a CSV file: {_SAVE}"),
    (b"$FL3", f"this is an SPSS file (.zsav), not a CSV file: {_SAVE}"),
    (b"PAR1", "this is a Parquet file, not a CSV file: write the table as CSV"),
    (b"\x1f\x8b", "this is a gzip file, not a CSV file: unpack it first (gunzip)"),
    (b"%PDF", "this is a PDF, not a CSV file"),
)
#: Separators of programs.
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def recognise(line: bytes) -> str:
    """Return why a file with this first line is not CSV, and the remedy; empty if it can be."""
    for beginning, what in _BEGINNINGS:
        if line.startswith(beginning):
            return what
    text = line.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        return f"this is HTML or XML, not a CSV file: {_SAVE}"
    if re.match(rb"\[\s*(\{|$)", text):
        return "this is a list in JSON, not a CSV file: `stanine submit` takes NDJSON, one attempt a line without brackets"
    if b"\0" in line:
        return f"this is not text: {_SAVE}"
    return ""


def explain_separator(line: str, separator: str) -> str:
    """Return a hint if a header seems to have another separator than this one."""
    plain = _QUOTED.sub("", line)
    marks = [name for mark, name in _SEPARATORS.items() if mark in plain and mark != separator]
    return (
        f"the columns seem to be separated by {marks[0]}: --separator names the separator"
        if marks and separator not in plain
        else ""
    )


def explain_row_names(fields: int, width: int, number: int) -> str:
    """Return a hint if the first row has one field more than the header, as R writes row names by default."""
    return (
        "; R's write.table writes row names without a column name: write with row.names=FALSE"
        if number == 1 and fields == width + 1
        else ""
    )


def explain_ranking(header: Sequence[str], column: str, options: Sequence[str]) -> str:
    """Return a hint if a header has the columns of a ranking by place, as LimeSurvey exports it; else empty."""
    for pattern in ("{}[{}]", "{}_{}"):
        by_place = [pattern.format(column, place) for place in range(1, len(options) + 1)]
        if set(by_place) <= set(header):
            return (
                f"the columns {by_place[0]} to {by_place[-1]} seem to hold the options in order of place, as LimeSurvey"
                f" exports a ranking: write one column per option ({column}.{options[0]}, …) that holds its place"
            )
    return ""


def explain_one_column(title: str, separator: str) -> str:
    """Return a hint for a header with a single column."""
    if hint := explain_separator(title, separator):
        return hint
    if separator in title:
        return "the whole header is in quotes, so it is one column: save the file with quotes around single cells only, or none"
    return ""
