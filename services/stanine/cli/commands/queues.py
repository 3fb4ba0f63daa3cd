"""`stanine queues …`: how the queues are, and what an operator does to them. Registered by `application`."""

import os
import time
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError, UnavailableError
from stanine.cli.io.terminal import View, note, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import Listing, Stanine
from stanine.client.records import DeadLetterInfo, OrderDone, QueueInfo

#: Dead letters of a page: the most that the API gives.
_PAGE = 1_000
#: Dead letters shown unless more are asked for.
_SHOWN = 100
#: Seconds between requests for the state of a draining queue.
_POLL = 0.5

_COLUMNS = ("queue", "state", "ready", "inFlight", "delayed", "dead", "oldestSeconds", "consumers")


class Part(StrEnum):
    """What can be purged."""

    READY = "ready"
    DELAYED = "delayed"
    DEAD = "dead"


_Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name: index or results.")]
_Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]…", help="Dead letters by their ids.")
]
_All = Annotated[bool, typer.Option("--all", help="All of them.")]
_Reason = Annotated[str, typer.Option(help="Only those that died of this.")]
_Actor = Annotated[str, typer.Option(help="Only those for this actor.")]
_Token = Annotated[
    str, typer.Option(help="Makes the order one that acts once, however often it is sent.")
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
    """See the queues (`list`, the default), pause, resume, drain and purge them, and deal with dead letters."""
    if context.invoked_subcommand is None:
        list_queues(
            os.environ.get("STANINE_API_URL", DEFAULT_SERVER), os.environ.get("STANINE_KEY", "")
        )


def list_queues(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """List the queues with what lies in them."""
    with connect(server, key) as client:
        listed = client.queues.list()
    rows = [msgspec.to_builtins(each) for each in listed]
    show(listed, view, [{column: row[column] for column in _COLUMNS} for row in rows])


def show_queue(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Show one queue: state, contents, what died of what, settings."""
    with connect(server, key) as client:
        found = client.queues.get(queue)
    _show_one(found, view)


def pause(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Hand out nothing new, within 2 s; what is in flight finishes, delayed messages stay, new work is still taken."""
    with connect(server, key) as client:
        found = client.queues.pause(queue)
    _show_one(found, view)


def resume(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Let a paused or draining queue run."""
    with connect(server, key) as client:
        found = client.queues.resume(queue)
    _show_one(found, view)


def drain(
    queue: _Queue,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait until nothing is left.", min=0)
    ] = 0.0,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Refuse new work and finish what is there; `resume` ends it. Exit status 5: with --wait, something is still left."""
    with connect(server, key) as client:
        found = client.queues.drain(queue)
        if wait:
            found = _wait_until_drained(client, queue, wait)
    _show_one(found, view)
    if wait and not found.drained:
        raise UnavailableError(
            f"queue {queue} is not drained after {wait:g} s: are its consumers at work?"
        )


def purge(
    queue: _Queue,
    part: Annotated[
        Part, typer.Argument(help="What to delete. What is in flight is never touched.")
    ],
    token: _Token = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Delete what is ready, delayed or dead. An attempt without a result is queued again by the sweep."""
    with connect(server, key) as client:
        done = client.queues.purge(queue, part.value, token=token or None)
    _show_done(done, view)


def dead(
    queue: _Queue,
    letter: Annotated[str, typer.Argument(metavar="[ID]", help="Show this one.")] = "",
    reason: _Reason = "",
    actor: _Actor = "",
    limit: Annotated[int, typer.Option(help="Show so many, the oldest first.", min=1)] = _SHOWN,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """List dead letters: what was given up, and why."""
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
        note(
            f"{queue} has no dead letters{' like that' if reason or actor else ''}: nothing was given up"
        )
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
    """Put dead letters back into the queue, their deliveries counted from none."""
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


#: Commands whose name is not their function's.
_NAMES = {"list_queues": "list", "show_queue": "show", "delete_dead": "delete-dead"}


def _choose(
    ids: list[str] | None, everything: bool, reason: str, actor: str, token: str
) -> dict[str, Any]:
    """Return the arguments that select dead letters. Raises InvalidInputError if it is not clear which are meant."""
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
            note(
                "the server came back with other data; listing its dead letters from the beginning"
            )
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
