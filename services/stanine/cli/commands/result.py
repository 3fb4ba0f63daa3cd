"""`stanine result`: what came of one attempt. Registered by `application`; `submit --wait` asks in the same way."""

import time
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.client import Api, connect, segment
from stanine.cli.exits import FAILED, UnavailableError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: Seconds that the API holds a request for a result; it allows 30.
_HOLD = 20


def result(
    attempt: Annotated[str, typer.Argument(metavar="ATTEMPT", help="The attempt's id.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait until it is scored.", min=0)] = 0.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Show the result of an attempt; the token that its submission returned will do as the key.

    Exit status 5: it is not scored yet. 1: it cannot be scored; the reason is on standard error.
    """
    with connect(server, key) as api:
        found = read_result(api, attempt, wait)
    if found["state"] == "Submitted":
        raise UnavailableError(f"{attempt} is not scored yet; --wait SECONDS waits")
    scales = found.get("scales") or {}
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
    if found["state"] == "Failed":
        note(f"{attempt} cannot be scored: {found.get('reason')}")
        raise typer.Exit(FAILED)


def read_result(api: Api, attempt: str, wait: float, *, token: str | None = None) -> dict[str, Any]:
    """Return an attempt's result as the API gives it, after `wait` seconds at the most; its `state` is Submitted if it is not there yet."""
    path = f"/v1/attempts/{segment(attempt)}/result"
    deadline = time.monotonic() + wait
    while True:
        left = deadline - time.monotonic()
        held = min(_HOLD, max(left, 0.0))
        answer = api.get(path, {"wait": f"{held:.3f}"} if held else None, token=token)
        found: dict[str, Any] = msgspec.json.decode(answer.content)
        if found["state"] != "Submitted" or left <= _HOLD:
            return found
