"""`stanine erase`: erase attempts, or all data of participants. Registered by `application`."""

from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError, MissingError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import errors

_Attempts = Annotated[
    list[str] | None, typer.Argument(metavar="[ATTEMPT]…", help="Ids of attempts.")
]
_Participants = Annotated[
    list[str] | None,
    typer.Option("--participant", metavar="PARTICIPANT", help="A participant, once for each."),
]


def erase(
    attempts: _Attempts = None,
    participants: _Participants = None,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Erase attempts, or all attempts, sessions and invitations of participants.

    Needs the scope `erase`. Erasure is permanent. Unknown and already erased attempts are reported on standard
    error; the exit status is then 4. docs/howto/erase.md describes what backups still contain, and for how long.
    """
    if not attempts and not participants:
        raise InvalidInputError("name attempts, or participants with --participant")
    done: list[dict[str, Any]] = []
    missing: list[str] = []
    with connect(server, key) as client:
        for attempt in attempts or ():
            try:
                client.attempts.erase(attempt)
            except errors.NotFoundError:
                missing.append(attempt)
            else:
                done.append(
                    {"erased": attempt, "attempts": 1, "sessions": None, "invitations": None}
                )
        for participant in participants or ():
            found = client.participants.erase(participant)
            done.append({"erased": participant, **msgspec.to_builtins(found)})
    show(done, view, done)
    if missing:
        note(
            *(
                f"{attempt}: there is no such attempt, or it is erased already"
                for attempt in missing
            )
        )
        raise MissingError(f"{len(missing)} of {len(attempts or ())} attempts were not there")
