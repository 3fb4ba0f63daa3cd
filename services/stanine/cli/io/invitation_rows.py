"""Read the invitations of a CSV or NDJSON file, and write their links. Used by the command `invitations`."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import open_output
from stanine.cli.options import Format
from stanine.client import InvitationInfo, InvitationOutcome

#: Columns of a CSV file that are not attributes.
_MEMBERS = (
    "key",
    "participant",
    "language",
    "revision",
    "expiresAt",
    "timeLimitSeconds",
    "show",
    "returnUrl",
    "maxUses",
)
_NUMBERS = ("revision", "timeLimitSeconds", "maxUses")
_COLUMNS = ("key", "invitation", "code", "url")


def read_invitations(data: bytes, place: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the invitations of a file with their line numbers. Raises InvalidInputError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{place}: byte {error.start} is not UTF-8") from None
    return list(_lines(text, place) if text.lstrip()[:1] == "{" else _rows(text, place))


def _lines(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                order = json.loads(line)
            except ValueError:
                raise InvalidInputError(f"{place}:{number}: not a JSON object") from None
            if not isinstance(order, dict):
                raise InvalidInputError(f"{place}:{number}: not a JSON object")
            yield number, order


def _rows(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if "key" not in (reader.fieldnames or ()):
        raise InvalidInputError(
            f"{place}:1: the column `key` is missing: it makes creating the same invitation again harmless"
        )
    try:
        for row in reader:
            if None in row:
                raise InvalidInputError(
                    f"{place}:{reader.line_num}: there are more cells than columns"
                )
            given = {name: cell for name, cell in row.items() if cell not in (None, "")}
            order: dict[str, Any] = {
                name: _number(cell) if name in _NUMBERS else cell
                for name, cell in given.items()
                if name in _MEMBERS
            }
            attributes = {
                name: _number(cell) for name, cell in given.items() if name not in _MEMBERS
            }
            if order or attributes:
                yield reader.line_num, order | ({"attributes": attributes} if attributes else {})
    except csv.Error as error:
        raise InvalidInputError(f"{place}:{reader.line_num}: {error}") from None


def _number(cell: str) -> int | float | str:
    """Return the number in a cell, or its text if it is not a number."""
    try:
        return (
            int(cell)
            if cell.lstrip("-").isdigit() and cell.isascii()
            else float(cell)
            if cell[:1] in "-0123456789"
            else cell
        )
    except ValueError:
        return cell


class CodeFiles:
    """Writes the QR codes of links into a directory, a file for each, named by the invitation."""

    def __init__(self, directory: Path, draw: Callable[[str], str]) -> None:
        """`draw` returns the SVG of an invitation. Raises InvalidInputError without a directory."""
        self._directory = directory
        self._draw = draw
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(f"{directory}: {error.strerror}") from None

    def write(self, invitation: str) -> str:
        """Write the code of an invitation; return the name of the file."""
        file = self._directory / f"{invitation}.svg"
        with open_output(file) as out:
            out.write(self._draw(invitation))
        return str(file)


def write_links(
    out: IO[str],
    view: Format,
    links: Iterable[InvitationInfo | InvitationOutcome],
    codes: CodeFiles | None = None,
) -> None:
    """Write key, id, code and link of invitations as CSV or NDJSON, and the files of their QR codes."""
    columns = _COLUMNS if codes is None else (*_COLUMNS, "qr")

    def row_of(link: InvitationInfo | InvitationOutcome) -> dict[str, Any]:
        row = {column: getattr(link, column) for column in _COLUMNS}
        return row if codes is None else row | {"qr": codes.write(row["invitation"])}

    rows = (row_of(each) for each in links)
    if view is Format.NDJSON:
        for row in rows:
            out.write(json.dumps({name: cell for name, cell in row.items() if cell}) + "\n")
        return
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
