"""`stanine keys`: create an API key (the keys file stores only its digest), list the keys of a server.

Registered by `application`.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.local import key_file
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: Default scopes: submit and read, without changing what others created.
_USUAL = ("instruments:read", "attempts:write", "results:read")
#: Characters of a name; the API's limit.
_LONGEST_NAME = 64

_Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help=f"A scope ({', '.join(key_file.SCOPES)}); can be repeated; by default {', '.join(_USUAL)}.",
    ),
]
_Instruments = Annotated[
    list[str] | None,
    typer.Option("--instrument", metavar="GLOB", help="Accessible instruments; by default all."),
]
_File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="Keys file to extend, such as .stanine/keys.json of `stanine up`.",
    ),
]


def make_keys() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_hold_commands)
    app.command()(new)
    app.command(name="list")(list_keys)
    return app


def _hold_commands() -> None:
    """Create keys for the API, and list them."""


def new(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the key, unique in its file."),
    ],
    scopes: _Scopes = None,
    instruments: _Instruments = None,
    key_space: Annotated[
        str, typer.Option(help="Keys of one key space see each other's attempt keys.")
    ] = "",
    file: _File = None,
    view: Shown = View.TABLE,
) -> None:
    """Create a key and print it once.

    With --file its entry (name, SHA-256, scopes, instruments) is added to the keys file; a running API reads it
    within seconds. Without --file the entry is printed.
    """
    chosen = list(dict.fromkeys(scopes or _USUAL))
    if unknown := [scope for scope in chosen if scope not in key_file.SCOPES]:
        raise InvalidInputError(
            f"--scope {unknown[0]}: not a scope; there are {', '.join(key_file.SCOPES)}"
        )
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(f"a name has 1 to {_LONGEST_NAME} printable characters")
    key = key_file.make_key("sk")
    entry = key_file.make_entry(name, key, chosen, instruments or ["*"], key_space)
    if file is not None:
        _add(file, name, entry)
    show({"name": name, "key": key, "entry": entry}, view, [{"name": name, "key": key}])
    if file is not None:
        note(f"{file} has its entry; the key itself is not stored")
    elif view is View.TABLE:
        note(
            "the key itself is not stored; add its entry to the keys file:",
            msgspec.json.encode(entry).decode(),
        )


def list_keys(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """List the keys of a server: names, scopes, instruments. Needs the scope `operate:read`."""
    with connect(server, key) as client:
        found = client.keys.list()
    rows = [
        {
            "name": each.name,
            "scopes": " ".join(each.scopes),
            "instruments": " ".join(each.instruments),
            "keySpace": each.key_space,
        }
        for each in found
    ]
    show(found, view, rows)


def _add(file: Path, name: str, entry: dict[str, object]) -> None:
    if name == key_file.DEVELOPMENT:
        raise InvalidInputError(f"{name} is reserved for the key of `stanine up`: choose another")
    with key_file.changing(file) as entries:
        if any(each.get("name") == name for each in entries):
            raise InvalidInputError(
                f"{file}: the key {name} already exists: choose another name, or delete its entry first"
            )
        entries.append(entry)
