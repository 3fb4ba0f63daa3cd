"""`stanine tokens rotate`: a new secret for the tokens of attempts. Registered by `application`."""

from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: The longest that the API keeps a former secret: 90 days. A day unless another time is asked for.
_MOST_SECONDS, _DAY = 90 * 86_400, 86_400
#: The same for the secret of invitations' codes: ten years.
_MOST_LINK_SECONDS = 3653 * 86_400


def make_tokens() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_hold_commands)
    app.command()(rotate)
    return app


def _hold_commands() -> None:
    """Rotate the secret that the tokens of attempts are made with."""


def rotate(
    keep_seconds: Annotated[
        int,
        typer.Option(
            help="Seconds that tokens of the present secret stay valid; 0 ends them at once.",
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
    """Make attempt tokens with a new secret; earlier tokens stay valid for a while.

    Needs the scope `operate`. All API processes follow within seconds. Repeating the same attempt returns its token of the new secret.
    """
    links = {} if keep_links_seconds is None else {"keepLinksSeconds": keep_links_seconds}
    order = msgspec.json.encode({"keepSeconds": keep_seconds} | links)
    with connect(server, key) as api:
        answer = api.request(
            "POST", "/v1/tokens:rotate", content=order, headers={"content-type": "application/json"}
        )
    done: dict[str, Any] = msgspec.json.decode(answer.content)
    show(done, view, [done])
