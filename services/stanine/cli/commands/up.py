"""`stanine up`: run all processes locally until Ctrl-C. Registered by `application`."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from stanine.cli.exits import CliError
from stanine.cli.io.terminal import emit, note
from stanine.cli.local.stack import HOST, Stack
from stanine.cli.local.stopping import StopRequestedError, stop_requests

#: Seconds between checks of the processes; a signal triggers one earlier.
_CHECK_PAUSE = 0.5


def up(
    port: Annotated[
        int, typer.Option(help="Port of the API; 0: any free port.", min=0, max=65535)
    ] = 8420,
    host: Annotated[
        str, typer.Option(help="Address on which the API listens; 0.0.0.0 accepts other machines.")
    ] = HOST,
    data: Annotated[
        Path, typer.Option(help="Directory for Valkey's data, keys and logs; kept after the end.")
    ] = Path(".stanine"),
) -> None:
    """Run all processes locally: Valkey, the API, both watchers. Ctrl-C stops them.

    If STANINE_REDIS_URL is set, that server is used instead of an own Valkey. Prints the addresses and a
    development key (STANINE_KEY if it is set) as shell variables.
    """
    refuse_windows("up")
    stack = Stack(data.resolve(), port=port, environment=os.environ, note=note, host=host)
    with stop_requests() as stopping:
        try:
            stack.start(stopping.requested)
            _announce(stack)
            while not stopping.requested():
                stopping.wait(_CHECK_PAUSE)
                stack.restart_dead()
        except StopRequestedError:
            pass
        finally:
            stack.stop()
    note("stopped; nothing is left running")


def refuse_windows(command: str) -> None:
    """Raise CliError on a platform that cannot run the processes."""
    if sys.platform == "win32":
        raise CliError(
            f"stanine {command} needs Linux or macOS: use the Windows Subsystem for Linux, or `docker compose up`"
        )


def _announce(stack: Stack) -> None:
    variables = {"STANINE_API_URL": stack.url} | (
        {"STANINE_KEY": stack.key} if stack.key_is_ours else {}
    )
    for name, value in (variables | {"STANINE_REDIS_URL": stack.redis_url}).items():
        emit(f"export {name}={shlex.quote(value)}")
    typer.get_text_stream("stdout").flush()
    note(
        f"Stanine is up on {stack.host}: API {stack.url}/docs, logs in {stack.directory / 'logs'}. Ctrl-C stops it."
    )
