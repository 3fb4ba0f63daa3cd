"""`stanine audit`: the latest changes by API keys. Registered by `application`."""

from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: The most that the API answers at once.
_MOST = 1_000
_COLUMNS = ("at", "by", "action", "resource", "status", "count", "names")


def audit(
    last: Annotated[
        int, typer.Option(help="How many changes, the newest last.", min=1, max=_MOST)
    ] = 100,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Show the latest changes: which API key changed what. Needs the scope `operate:read`.

    A change without a status was interrupted; its effect is unknown. The server keeps the latest 10,000.
    """
    with connect(server, key) as client:
        found = client.audit.newest(last)
    members = msgspec.to_builtins(found)
    for each in members:
        each["names"] = " ".join(each.get("names") or ()) or None
    show(found, view, [{column: each.get(column) for column in _COLUMNS} for each in members])
    if not found:
        note("no key has changed anything yet")
