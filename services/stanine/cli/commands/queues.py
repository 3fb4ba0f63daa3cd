"""`stanine queues …`: inspect and operate the queues. Registered by `application`."""

import os
import time
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError, TryAgainError
from stanine.cli.io.terminal import View, note, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import Listing, Stanine
from stanine.client.records import DeadLetterInfo, OrderDone, QueueInfo

#: Page size for dead letters; the API's maximum.
_PAGE = 1_000
#: Default number of dead letters to show.
_SHOWN = 100
#: Seconds between requests for the state of a draining queue.
_POLL = 0.5

_COLUMNS = ("queue", "state", "ready", "inFlight", "delayed", "dead", "oldestSeconds", "consumers")


class PurgedPart(StrEnum):
    """The parts that can be purged."""

    READY = "ready"
    DELAYED = "delayed"
    DEAD = "dead"


_Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name: index or results.")]
_Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]…", help="Dead letters by their ids.")
]
_All = Annotated[bool, typer.Option("--all", help="All of them.")]
_Reason = Annotated[str, typer.Option(help="Only those with this reason.")]
_Actor = Annotated[str, typer.Option(help="Only those for this actor.")]
_Token = Annotated[
    str, typer.Option(help="Idempotency token: the order is executed once per token.")
]


def make_queues() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer()
    app.callback(invoke_without_command=True)(_list_by_default)
    for command in (
        list_queues,
        show_queue,
        pause,
        resume,
        drain,
        purge,
        dead,
        requeue,
        delete_dead,
    ):
        app.command(_NAMES.get(command.__name__, command.__name__))(command)
    return app


def _list_by_default(context: typer.Context) -> None:
    """Inspect, pause, resume, drain and purge queues; handle dead letters. Default: `list`."""
    if context.invoked_subcommand is None:
        list_queues(
            os.environ.get("STANINE_API_URL", DEFAULT_SERVER), os.environ.get("STANINE_KEY", "")
        )


def list_queues(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """List the queues with their sizes."""
    with connect(server, key) as client:
        listed = client.queues.list()
    rows = [msgspec.to_builtins(each) for each in listed]
    show(listed, view, [{column: row[column] for column in _COLUMNS} for row in rows])


def show_queue(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Show one queue: state, sizes, deaths by reason, settings."""
    with connect(server, key) as client:
        found = client.queues.get(queue)
    _show_one(found, view)


def pause(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Stop delivery within 2 s. Messages in flight finish; new messages are accepted."""
    with connect(server, key) as client:
        found = client.queues.pause(queue)
    _show_one(found, view)


def resume(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Resume a paused or draining queue."""
    with connect(server, key) as client:
        found = client.queues.resume(queue)
    _show_one(found, view)


def drain(
    queue: _Queue,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait until the queue is empty.", min=0)
    ] = 0.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Reject new messages and process the remaining ones; `resume` ends it.

    Exit status 5: with --wait, messages remain after the timeout.
    """
    with connect(server, key) as client:
        found = client.queues.drain(queue)
        if wait:
            found = _wait_until_drained(client, queue, wait)
    _show_one(found, view)
    if wait and not found.drained:
        raise TryAgainError(f"queue {queue} is not drained after {wait:g} s: do its consumers run?")


def purge(
    queue: _Queue,
    part: Annotated[
        PurgedPart, typer.Argument(help="The part to delete. Messages in flight are not affected.")
    ],
    token: _Token = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Delete ready, delayed or dead messages.

    The sweep enqueues attempts without a result again.
    """
    with connect(server, key) as client:
        done = client.queues.purge(queue, part.value, token=token or None)
    _show_done(done, view)


def dead(
    queue: _Queue,
    letter: Annotated[str, typer.Argument(metavar="[ID]", help="Show this one.")] = "",
    reason: _Reason = "",
    actor: _Actor = "",
    limit: Annotated[
        int, typer.Option(help="Maximum number to show, oldest first.", min=1)
    ] = _SHOWN,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """List dead letters with the reason of each."""
    with connect(server, key) as client:
        if letter:
            one = client.queues.dead_letter(queue, letter)
            members = msgspec.to_builtins(one).items()
            show(one, view, [{"what": name, "value": _joined(value)} for name, value in members])
            return
        listed = client.queues.dead_letters(
            queue,
            reason=reason or None,
            actor=actor or None,
            on_history_change="continue",
            page_size=min(_PAGE, limit + 1),
        )
        letters, more = _read_letters(listed, limit)
    columns = ("id", "reason", "actor", "deliveries", "diedAt")
    rows = [msgspec.to_builtins(each) for each in letters]
    show(
        letters,
        view,
        [{name: row[name] for name in columns} | {"about": len(row["about"])} for row in rows],
    )
    if not letters:
        note(f"{queue} has no dead letters{' that match' if reason or actor else ''}")
    if more:
        note(f"there are more: --limit shows more than {limit}")


def requeue(
    queue: _Queue,
    ids: _Ids = None,
    everything: _All = False,
    reason: _Reason = "",
    actor: _Actor = "",
    token: _Token = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Requeue dead letters with a delivery count of 0."""
    chosen = _choose(ids, everything, reason, actor, token)
    with connect(server, key) as client:
        done = client.queues.requeue_dead(queue, **chosen)
    _show_done(done, view)


def delete_dead(
    queue: _Queue,
    ids: _Ids = None,
    everything: _All = False,
    reason: _Reason = "",
    actor: _Actor = "",
    token: _Token = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Delete dead letters."""
    chosen = _choose(ids, everything, reason, actor, token)
    with connect(server, key) as client:
        done = client.queues.delete_dead(queue, **chosen)
    _show_done(done, view)


#: Command names that differ from the function names.
_NAMES = {"list_queues": "list", "show_queue": "show", "delete_dead": "delete-dead"}


def _choose(
    ids: list[str] | None, everything: bool, reason: str, actor: str, token: str
) -> dict[str, Any]:
    """Return the arguments that select dead letters.

    Raises InvalidInputError if they are ambiguous.
    """
    if bool(ids) == bool(everything or reason or actor) or (ids and token):
        raise InvalidInputError(
            "say which: ids of dead letters (`stanine queues dead QUEUE` lists them), or --reason or --actor, or --all"
        )
    return {
        "ids": ids or None,
        "everything": everything,
        "reason": reason or None,
        "actor": actor or None,
        "token": token or None,
    }


def _wait_until_drained(client: Stanine, queue: str, seconds: float) -> QueueInfo:
    deadline = time.monotonic() + seconds
    with progress(f"draining {queue}"):
        while True:
            found = client.queues.get(queue)
            left = deadline - time.monotonic()
            if found.drained or left <= 0:
                return found
            time.sleep(min(_POLL, left))


def _read_letters(listed: Listing[DeadLetterInfo], limit: int) -> tuple[list[DeadLetterInfo], bool]:
    """Return the first dead letters, and whether there are more."""
    letters: list[DeadLetterInfo] = []
    changes = 0
    while not listed.at_end and len(letters) <= limit:
        page = listed.read()
        if listed.history_changes > changes:
            changes = listed.history_changes
            note("the server's data were replaced; listing dead letters from the beginning")
            letters = []
        letters += page
    return letters[:limit], len(letters) > limit


def _show_one(found: QueueInfo, view: View) -> None:
    plain = msgspec.to_builtins(found)
    flat = {name: value for name, value in plain.items() if not isinstance(value, dict | list)}
    flat |= {f"deaths.{name}": value for name, value in found.deaths.items()}
    flat |= {f"settings.{name}": value for name, value in (found.settings or {}).items()}
    show(found, view, [{"what": name, "value": value} for name, value in flat.items()])
    for fault in found.faults or ():
        note(f"settings not applied: {fault}")


def _show_done(done: OrderDone, view: View) -> None:
    show(done, view, [msgspec.to_builtins(done)])


def _joined(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
