"""`stanine instruments`: list the published instruments or show one.

Registered by `application`.
"""

from typing import Annotated, Any

import typer

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown


def instruments(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]", help="Show this instrument's document instead of the list."
        ),
    ] = "",
    revision: Annotated[
        int, typer.Option(help="Revision to show; by default the newest.", min=0)
    ] = 0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """List the published instruments, or show one.

    The table of one instrument lists its scales; JSON and YAML are the document, which `stanine publish` accepts.
    """
    with connect(server, key) as client:
        if name:
            document = client.instruments.get(name, revision=revision or None).document
            show(
                document,
                view,
                [_scale_row(scale, document["spec"]) for scale in document["spec"]["scales"]],
            )
            return
        listed = list(client.instruments.list())
    rows = [{"name": each.name, "revision": each.revision, "form": each.form} for each in listed]
    show(listed, view, rows)
    if not listed:
        note(
            "no instrument is published, or the key reaches none: `stanine init` writes a first one, `stanine publish FILE` publishes it"
        )


def _scale_row(scale: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    names = (
        {item.lstrip("-") for item in scale.get("items", ())}
        | set(scale.get("key", ()))
        | set(scale.get("points", ()))
    )
    score = scale.get("score") or spec.get("defaults", {}).get("score")
    return {"scale": scale["id"], "title": scale.get("title"), "score": score, "items": len(names)}
