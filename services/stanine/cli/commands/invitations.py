"""`stanine invitations`: create, list, revoke and extend invitations.

Registered by `application`.
"""

import csv
import io
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.exits import FAULTY_ROWS, InvalidInputError
from stanine.cli.io.terminal import View, note, open_input, open_output, show
from stanine.cli.options import DEFAULT_SERVER, Format, Key, Output, Server, Shown
from stanine.cli.plain_api import Api, connect_plain, explain_problem
from stanine.client.messages import segment

#: Lines per bulk request, because the server holds the answers until it has read all lines; invitations per page.
_LINES, _PAGE = 10_000, 1_000
_JSON = {"content-type": "application/json"}
_NDJSON = {"content-type": "application/x-ndjson"}
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


class Show(StrEnum):
    """What the participant may read of the result."""

    NONE = "None"
    PARTICIPANT = "Participant"
    AFTER_RELEASE = "AfterRelease"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")]
_Invitation = Annotated[
    str,
    typer.Argument(
        metavar="INVITATION", help="The invitation's id, as `create` and `list` write it."
    ),
]
_Until = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="Until when it opens sessions, such as 2027-01-31T18:00:00Z."
    ),
]


def make_invitations() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_hold_commands)
    app.command()(create)
    app.command(name="list")(list_invitations)
    app.command()(revoke)
    app.command()(extend)
    return app


def _hold_commands() -> None:
    """Invite participants to fill in an instrument: create, list, revoke and extend invitations."""


def create(
    name: _Name,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]", help="CSV or NDJSON, a row for each invitation; - for standard input."
        ),
    ] = "",
    key_of_one: Annotated[
        str,
        typer.Option("--as", metavar="KEY", help="Without FILE: the key of the one invitation."),
    ] = "",
    participant: Annotated[
        str, typer.Option(help="Without FILE: the pseudonym of the one participant.")
    ] = "",
    expires: _Until = "",
    time_limit: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", help="Time to fill it in; by default the form's own limit.", min=0
        ),
    ] = 0,
    show_result: Annotated[
        Show | None,
        typer.Option(
            "--show", help="What the participant may read of the result; by default None."
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="The language of the form's texts.")] = "",
    return_url: Annotated[
        str, typer.Option(metavar="URL", help="Where the page goes afterwards.")
    ] = "",
    view: Annotated[
        Format, typer.Option("-o", "--format", help="How the links are written.")
    ] = Format.CSV,
    output: Output = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Create invitations and write their links. Needs the scope `invitations:write`.

    The columns of a CSV file are key (required), participant, language, revision, expiresAt, timeLimitSeconds,
    show, returnUrl, maxUses; every other column is an attribute. Options are the defaults of the rows. Sending the
    same file again creates nothing and writes the same links. Invalid rows are reported on standard error; the exit
    status is then 3.
    """
    common = {
        "expiresAt": expires, "timeLimitSeconds": time_limit, "show": show_result.value if show_result else "", "language": language,
        "returnUrl": return_url,
    }  # fmt: skip
    common = {name: value for name, value in common.items() if value}
    with connect_plain(server, key) as api, open_output(output) as out:
        if not file:
            order = common | {
                name: value
                for name, value in (("key", key_of_one), ("participant", participant))
                if value
            }
            answer = api.request(
                "POST", _address(name), content=msgspec.json.encode(order), headers=_JSON
            )
            _write(out, view, [msgspec.json.decode(answer)], with_head=True)
            return
        faulty = 0
        with open_input(file) as (stream, place):
            orders = _read(stream.read(), place)
        for start in range(0, max(len(orders), 1), _LINES):
            part = orders[start : start + _LINES]
            lines = b"".join(msgspec.json.encode(common | order) + b"\n" for _, order in part)
            answer = api.request("POST", f"{_address(name)}:bulk", content=lines, headers=_NDJSON)
            answers = [msgspec.json.decode(line) for line in answer.splitlines()]
            _write(
                out, view, [each for each in answers if "problem" not in each], with_head=not start
            )
            for (row, _), each in zip(part, answers, strict=True):
                if "problem" in each:
                    faulty += 1
                    note(
                        *(
                            f"{place}:{row}: {line}"
                            for line in explain_problem(each["problem"], each["status"])
                        )
                    )
    if faulty:
        note(f"{faulty} of {len(orders)} rows are faulty")
        raise typer.Exit(FAULTY_ROWS)


def list_invitations(
    name: _Name, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """List an instrument's invitations by creation. Needs the scope `invitations:write`."""
    with connect_plain(server, key) as api:
        found = [each for page in api.pages(_address(name), limit=_PAGE) for each in page["items"]]
    rows = [
        {
            column: each.get(column)
            for column in ("invitation", "key", "code", "uses", "maxUses", "expiresAt", "revokedAt")
        }
        for each in found
    ]
    show(found, view, rows)
    if not found:
        note(f"there are no invitations for {name}: `stanine invitations create {name}` makes one")


def revoke(
    name: _Name,
    invitation: _Invitation,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Revoke an invitation; open sessions continue. Needs the scope `invitations:write`."""
    with connect_plain(server, key) as api:
        _change(api, name, invitation, "revoke", None, view)


def extend(
    name: _Name,
    invitation: _Invitation,
    until: _Until = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Change when an invitation expires. Needs the scope `invitations:write`.

    Without --until it never expires.
    """
    with connect_plain(server, key) as api:
        _change(api, name, invitation, "extend", {"expiresAt": until or None}, view)


def _change(
    api: Api, name: str, invitation: str, verb: str, order: dict[str, Any] | None, view: View
) -> None:
    content = b"" if order is None else msgspec.json.encode(order)
    headers = {} if order is None else _JSON
    answer = api.request(
        "POST", f"{_address(name)}/{segment(invitation)}:{verb}", content=content, headers=headers
    )
    done: dict[str, Any] = msgspec.json.decode(answer)
    show(
        done,
        view,
        [
            {
                column: done.get(column)
                for column in ("invitation", "key", "uses", "expiresAt", "revokedAt")
            }
        ],
    )


def _address(name: str) -> str:
    return f"/v1/instruments/{segment(name)}/invitations"


def _read(data: bytes, place: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the invitations of a file with their line numbers. Raises InvalidInputError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{place}: byte {error.start} is not UTF-8") from None
    return list(_lines(text, place) if text.lstrip()[:1] == "{" else _rows(text, place))


def _lines(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
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


def _write(out: Any, view: Format, links: list[dict[str, Any]], *, with_head: bool) -> None:
    rows = [{column: each.get(column) for column in _COLUMNS} for each in links]
    if view is Format.NDJSON:
        out.write(
            "".join(
                json.dumps({name: cell for name, cell in row.items() if cell}) + "\n"
                for row in rows
            )
        )
        return
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
    if with_head:
        writer.writeheader()
    writer.writerows(rows)
    out.write(table.getvalue())
