"""`stanine tokens rotate`: rotate the secret of attempt tokens. Registered by `application`."""

from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: How long the API keeps a former secret of attempt tokens, in seconds: at most 90 days, by default one day.
_MOST_SECONDS, _DAY = 90 * 86_400, 86_400
#: The same for the secret of invitation codes: at most ten years.
_MOST_LINK_SECONDS = 3653 * 86_400


def make_tokens() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_hold_commands)
    app.command()(rotate)
    return app


def _hold_commands() -> None:
    """Rotate the secret of attempt tokens."""


def rotate(
    keep_seconds: Annotated[
        int,
        typer.Option(
            help="Seconds that present tokens stay valid; 0 revokes them at once.",
            min=0,
            max=_MOST_SECONDS,
        ),
    ] = _DAY,
    keep_links_seconds: Annotated[
        int | None,
        typer.Option(
            help="Rotate the secret of invitations' codes too; codes of the present one open sessions for so many seconds more. By default "
            "the links stay as they are.",
            min=0,
            max=_MOST_LINK_SECONDS,
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Make a new secret for attempt tokens; earlier tokens stay valid for a while.

    Needs the scope `operate`. All API processes apply it within seconds. Submitting the same attempt again returns
    a token of the new secret.
    """
    with connect(server, key) as client:
        done = client.tokens.rotate(
            keep_seconds=keep_seconds, keep_links_seconds=keep_links_seconds
        )
    show(done, view, [msgspec.to_builtins(done)])
