"""`stanine invitations`: create, list, revoke and extend invitations.

Registered by `application`.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import FAULTY_ROWS
from stanine.cli.io.invitation_rows import CodeFiles, read_invitations, write_links
from stanine.cli.io.terminal import View, note, open_input, open_output, show
from stanine.cli.options import DEFAULT_SERVER, Format, Key, Output, Server, Shown
from stanine.client import InvitationInfo, InvitationOutcome, InvitationRequest, Stanine

#: Columns of the tables.
_LISTED = ("invitation", "key", "code", "uses", "maxUses", "expiresAt", "revokedAt")
_CHANGED = ("invitation", "key", "uses", "expiresAt", "revokedAt")


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
    qr: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the QR code of each link to DIR/INVITATION.svg; needs the setting publicUrl.",
            file_okay=False,
        ),
    ] = None,
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
    if not file:
        one = {"key": key_of_one, "participant": participant}
        order = common | {name: value for name, value in one.items() if value}
        with connect(server, key) as client, open_output(output) as out:
            made = client.invitations.create(name, msgspec.convert(order, InvitationRequest))
            write_links(out, view, [made], _code_files(client, name, qr))
        return
    with open_input(file) as (stream, place):
        orders = read_invitations(stream.read(), place)
    faulty = 0

    def accepted(answers: Iterable[InvitationOutcome]) -> Iterator[InvitationOutcome]:
        nonlocal faulty
        for answer in answers:
            if answer.problem is None:
                yield answer
                continue
            faulty += 1
            row = orders[answer.line - 1][0]
            note(*(f"{place}:{row}: {line}" for line in answer.problem.lines()))

    with connect(server, key) as client, open_output(output) as out:
        lines = (common | order for _, order in orders)
        with closing(client.invitations.create_many(name, lines)) as answers:
            write_links(out, view, accepted(answers), _code_files(client, name, qr))
    if faulty:
        note(f"{faulty} of {len(orders)} rows are faulty")
        raise typer.Exit(FAULTY_ROWS)


def _code_files(client: Stanine, name: str, directory: Path | None) -> CodeFiles | None:
    if directory is None:
        return None
    return CodeFiles(directory, lambda invitation: client.invitations.qr(name, invitation))


def list_invitations(
    name: _Name, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """List an instrument's invitations by creation. Needs the scope `invitations:write`."""
    with connect(server, key) as client:
        found = list(client.invitations.list(name))
    show(found, view, [_row(each, _LISTED) for each in found])
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
    with connect(server, key) as client:
        done = client.invitations.revoke(name, invitation)
    show(done, view, [_row(done, _CHANGED)])


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
    with connect(server, key) as client:
        done = client.invitations.extend(name, invitation, until or None)
    show(done, view, [_row(done, _CHANGED)])


def _row(invitation: InvitationInfo, columns: tuple[str, ...]) -> dict[str, Any]:
    members = msgspec.to_builtins(invitation)
    return {column: members.get(column) for column in columns}
