"""`stanine config …`: the runtime configuration, changing it, its history, and back to an earlier revision. Registered by `application`."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.client import connect
from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

SeenRevision = Annotated[
    int | None,
    typer.Option(
        "--revision", help="The revision that you have seen: another one refuses the change.", min=0
    ),
]

#: What the table shows of the configuration beside its settings.
_FACTS = ("revision", "layout", "dualWrite", "managedBy")


def make_config() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer()
    app.callback(invoke_without_command=True)(_get_by_default)
    for command in (get, change, unset, history, rollback):
        app.command("set" if command is change else None)(command)
    return app


def _get_by_default(context: typer.Context) -> None:
    """See the runtime configuration (`get`, the default), change it, see its earlier revisions, and go back to one."""
    if context.invoked_subcommand is None:
        get(os.environ.get("STANINE_API_URL", DEFAULT_SERVER), os.environ.get("STANINE_KEY", ""))


def get(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """Show every setting as the services go by it."""
    with connect(server, key) as api:
        found: dict[str, Any] = msgspec.json.decode(api.get("/v1/config").content)
    facts = [{"what": name, "value": found[name], "from": None} for name in _FACTS if name in found]
    settings = [
        {"what": each["name"], "value": each["value"], "from": _source(each)}
        for each in found["settings"]
    ]
    show(
        found,
        view,
        [
            {"what": row["what"], "value": _word(row["value"]), "from": row["from"]}
            for row in (*facts, *settings)
        ],
    )
    if found["edited"]:
        note(f"somebody has changed it past the operator since revision {found['revision']}")
    if found["string"] not in {"None", "InStep"}:
        note(
            f"the older string is {found['string'].lower()}"
            + (f": {found['unreadable']}" if "unreadable" in found else "")
        )
    for each in found["settings"]:
        if "fault" in each:
            note(f"{each['name']} is not applied: {each['fault']}")


def change(
    settings: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE…", help="What is to stand; all else stays as it is."),
    ],
    revision: SeenRevision = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Change settings, as one new revision; the services follow within 2 s.

    Exit status 7: a RedisConfig manages the configuration, or it is not at the given revision; nothing was changed.
    """
    values: dict[str, int | str] = {}
    for word in settings:
        name, separator, value = word.partition("=")
        if not (name and separator and value):
            raise InvalidInputError(
                f"{word}: write NAME=VALUE, such as sweepSeconds=5; `stanine config unset NAME` goes back to the default"
            )
        values[name] = int(value) if value.isascii() and value.isdecimal() else value
    _change(values, revision, server, key, view)


def unset(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME…", help="Settings that are to have their defaults again."),
    ],
    revision: SeenRevision = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Go back to the defaults of settings, as one new revision; the services follow within 2 s."""
    _change(dict.fromkeys(names), revision, server, key, view)


def history(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """List the revisions that are kept, the newest first, with what each changed."""
    with connect(server, key) as api:
        revisions: list[dict[str, Any]] = msgspec.json.decode(
            api.get("/v1/config/history").content
        )["items"]
    show(revisions, view, [_row(each) for each in revisions])
    if not revisions:
        note(
            "nothing was ever set: `stanine config` shows the defaults, `stanine config set NAME=VALUE` changes them"
        )


def rollback(
    revision: Annotated[
        int, typer.Argument(metavar="REVISION", help="Whose values are to stand again.", min=1)
    ],
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Let the values of an earlier revision stand again, as a new revision; the services follow within 2 s.

    Exit status 7: a RedisConfig manages the configuration; set its `rollbackTo` instead.
    """
    _order("POST", "/v1/config:rollback", {"revision": revision}, server, key, view)


def _change(
    settings: Mapping[str, int | str | None],
    revision: int | None,
    server: str,
    key: str,
    view: View,
) -> None:
    expected = {} if revision is None else {"revision": revision}
    _order("PATCH", "/v1/config", {"settings": settings, **expected}, server, key, view)


def _order(
    method: str, path: str, order: Mapping[str, object], server: str, key: str, view: View
) -> None:
    with connect(server, key) as api:
        answer = api.request(
            method,
            path,
            content=msgspec.json.encode(order),
            headers={"content-type": "application/json"},
        )
    done = msgspec.json.decode(answer.content)
    show(done, view, [{name: _word(value) for name, value in done.items()}])


def _source(setting: dict[str, Any]) -> str:
    return "configuration" if setting["stated"] and "fault" not in setting else "default"


def _row(revision: dict[str, Any]) -> dict[str, Any]:
    others = f"{revision['changedOthers']} of other programs" if revision["changedOthers"] else ""
    of = f" of {revision['of']}" if "of" in revision else ""
    return {
        "revision": revision["revision"],
        "at": revision["at"],
        "origin": f"{revision['origin']}{of}",
        "by": revision.get("by"),
        "changed": ", ".join([*revision["changed"], *([others] if others else [])]),
    }


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
