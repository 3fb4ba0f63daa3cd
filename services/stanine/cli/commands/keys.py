"""`stanine keys new`: a key for the API, made here; only its digest goes into the keys file. Registered by `application`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.local import key_file
from stanine.cli.options import Shown

#: What a key may do unless other scopes are asked for: take part and read, and change nothing that others made.
_USUAL = ("instruments:read", "attempts:write", "results:read")
#: Characters of a name, as the API takes it.
_LONGEST_NAME = 64

_Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help=f"What it may do ({', '.join(key_file.SCOPES)}), given once for each; by default {', '.join(_USUAL)}.",
    ),
]
_Instruments = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument", metavar="GLOB", help="Which instruments it reaches; by default all."
    ),
]
_File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="The keys file to add it to, such as .stanine/keys.json of `stanine up`.",
    ),
]


def make_keys() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_hold_commands)
    app.command()(new)
    return app


def _hold_commands() -> None:
    """Make keys for the API."""


def new(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Whose key it is; every key of a file has its own name."
        ),
    ],
    scopes: _Scopes = None,
    instruments: _Instruments = None,
    key_space: Annotated[
        str, typer.Option(help="Keys of one key space see each other's attempt keys.")
    ] = "",
    file: _File = None,
    view: Shown = View.TABLE,
) -> None:
    """Make a key and show it, this once.

    With --file its entry (name, SHA-256, scopes, instruments) is added to that keys file, which a running API reads within seconds;
    without, the entry is shown, to be added by hand.
    """
    wanted = list(dict.fromkeys(scopes or _USUAL))
    if unknown := [scope for scope in wanted if scope not in key_file.SCOPES]:
        raise InvalidInputError(
            f"--scope {unknown[0]}: not a scope; there are {', '.join(key_file.SCOPES)}"
        )
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(f"a name has 1 to {_LONGEST_NAME} printable characters")
    key = key_file.make_key("sk")
    entry = key_file.make_entry(name, key, wanted, instruments or ["*"], key_space)
    if file is not None:
        _add(file, name, entry)
    show({"name": name, "key": key, "entry": entry}, view, [{"name": name, "key": key}])
    if file is not None:
        note(f"{file} has its entry; the key itself is kept nowhere")
    elif view is View.TABLE:
        note(
            "the key itself is kept nowhere; add its entry to the keys file:",
            msgspec.json.encode(entry).decode(),
        )


def _add(file: Path, name: str, entry: dict[str, object]) -> None:
    if name == key_file.DEVELOPMENT:
        raise InvalidInputError(
            f"{name} is the name of the key that `stanine up` makes anew each time: choose another"
        )
    with key_file.changing(file) as entries:
        if any(each.get("name") == name for each in entries):
            raise InvalidInputError(
                f"{file}: there is a key {name} already: choose another name, or delete its entry first"
            )
        entries.append(entry)
