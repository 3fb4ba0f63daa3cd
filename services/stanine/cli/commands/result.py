"""`stanine result`: the result of one attempt. Registered by `application`."""

from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import FAILED, TryAgainError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client.errors import NotScoredError


def result(
    attempt: Annotated[str, typer.Argument(metavar="ATTEMPT", help="The attempt's id.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait until it is scored.", min=0)] = 0.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Show the result of an attempt. The token from its submission is accepted as the key.

    Exit status 5: not scored yet. 1: it cannot be scored; standard error has the reason.
    """
    with connect(server, key) as client:
        try:
            found = client.results.wait_for(attempt, timeout=wait)
        except NotScoredError:
            raise TryAgainError(f"{attempt} is not scored yet; --wait SECONDS waits") from None
    scales = msgspec.to_builtins(found.scales or {})
    banded = ("band",) if any("band" in each for each in scales.values()) else ()
    names = ("raw", "valid", "items", "status", *banded)
    show(
        found,
        view,
        [
            {"scale": scale, **{name: each.get(name) for name in names}}
            for scale, each in scales.items()
        ],
    )
    if found.state == "Failed":
        note(f"{attempt} cannot be scored: {found.reason}")
        raise typer.Exit(FAILED)
