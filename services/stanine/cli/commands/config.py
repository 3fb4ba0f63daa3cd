"""`stanine config …`: read, change and roll back the runtime configuration.

Registered by `application`.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client.records import ConfigChange, ConfigRevision, SettingInfo

ExpectedRevision = Annotated[
    int | None,
    typer.Option(
        "--revision", help="The expected revision: the change is rejected at any other.", min=0
    ),
]

#: Members that the table shows before the settings.
_FACTS = ("revision", "layout", "dualWrite", "managedBy")


def make_config() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer()
    app.callback(invoke_without_command=True)(_get_by_default)
    for command in (get, change, unset, history, rollback):
        app.command("set" if command is change else None)(command)
    return app


def _get_by_default(context: typer.Context) -> None:
    """Show the runtime configuration (`get`, the default), change it, list revisions, roll back."""
    if context.invoked_subcommand is None:
        get(os.environ.get("STANINE_API_URL", DEFAULT_SERVER), os.environ.get("STANINE_KEY", ""))


def get(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """Show the value of every setting in force."""
    with connect(server, key) as client:
        found = client.config.get()
    plain = msgspec.to_builtins(found)
    facts = [{"what": name, "value": plain[name], "from": None} for name in _FACTS if name in plain]
    settings = [
        {"what": each.name, "value": each.value, "from": _source(each)} for each in found.settings
    ]
    show(
        found,
        view,
        [
            {"what": row["what"], "value": _word(row["value"]), "from": row["from"]}
            for row in (*facts, *settings)
        ],
    )
    if found.edited:
        note(f"it was changed without the operator since revision {found.revision}")
    if found.string not in {"None", "InStep"}:
        note(
            f"the older string is {found.string.lower()}"
            + (f": {found.unreadable}" if found.unreadable is not None else "")
        )
    for each in found.settings:
        if each.fault is not None:
            note(f"{each.name} is not applied: {each.fault}")


def change(
    settings: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE…", help="Settings to change; the others are kept."),
    ],
    revision: ExpectedRevision = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Change settings in one new revision. Services apply it within 2 s.

    Exit status 7: a RedisConfig owns the configuration, or its revision is not the given one; nothing was changed.
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
        typer.Argument(metavar="NAME…", help="Settings to reset to their defaults."),
    ],
    revision: ExpectedRevision = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Reset settings to their defaults in one new revision. Services apply it within 2 s."""
    _change(dict.fromkeys(names), revision, server, key, view)


def history(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """List the stored revisions, newest first, with their changes."""
    with connect(server, key) as client:
        revisions = client.config.history()
    show(revisions, view, [_row(each) for each in revisions])
    if not revisions:
        note(
            "no revisions: `stanine config` shows the defaults, `stanine config set NAME=VALUE` changes them"
        )


def rollback(
    revision: Annotated[
        int, typer.Argument(metavar="REVISION", help="The revision to restore.", min=1)
    ],
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Restore the values of an earlier revision as a new revision. Services apply it within 2 s.

    Exit status 7: a RedisConfig owns the configuration; set its `rollbackTo` instead.
    """
    with connect(server, key) as client:
        done = client.config.rollback(revision)
    _show_change(done, view)


def _change(
    settings: Mapping[str, int | str | None],
    revision: int | None,
    server: str,
    key: str,
    view: View,
) -> None:
    with connect(server, key) as client:
        done = client.config.change(settings, revision=revision)
    _show_change(done, view)


def _show_change(done: ConfigChange, view: View) -> None:
    show(done, view, [{"revision": done.revision, "changed": _word(done.changed)}])


def _source(setting: SettingInfo) -> str:
    return "configuration" if setting.stated and setting.fault is None else "default"


def _row(revision: ConfigRevision) -> dict[str, Any]:
    others = f"{revision.changed_others} of other programs" if revision.changed_others else ""
    of = f" of {revision.of}" if revision.of is not None else ""
    return {
        "revision": revision.revision,
        "at": revision.at,
        "origin": f"{revision.origin}{of}",
        "by": revision.by,
        "changed": ", ".join([*revision.changed, *([others] if others else [])]),
    }


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
