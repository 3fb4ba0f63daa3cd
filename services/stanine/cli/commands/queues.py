"""`stanine queues …`: how the queues are, and what an operator does to them. Registered by `application`."""

import os
import time
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.client import Api, HistoryChangedError, connect, segment
from stanine.cli.exits import InvalidInputError, UnavailableError
from stanine.cli.io.terminal import View, note, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown

#: Dead letters of a page.
_PAGE = 1_000
#: Dead letters shown unless more are asked for.
_SHOWN = 100
#: Seconds between looks at a draining queue.
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
    with connect(server, key) as api:
        listed = msgspec.json.decode(api.get("/v1/queues").content)["items"]
    show(listed, view, [{column: each[column] for column in _COLUMNS} for each in listed])


def show_queue(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Show one queue: state, contents, what died of what, settings."""
    with connect(server, key) as api:
        found = _read(api, queue)
    _show_one(found, view)


def pause(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Hand out nothing new, within 2 s; what is in flight finishes, delayed messages stay, new work is still taken."""
    _tell(queue, "pause", server, key, view)


def resume(
    queue: _Queue, server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE
) -> None:
    """Let a paused or draining queue run."""
    _tell(queue, "resume", server, key, view)


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
    with connect(server, key) as api:
        found = _post(api, queue, ":drain")
        if wait:
            found = _wait_until_drained(api, queue, wait)
    _show_one(found, view)
    if wait and not found["drained"]:
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
    _order(
        queue,
        ":purge",
        {"part": part.value} | ({"token": token} if token else {}),
        server,
        key,
        view,
    )


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
    path = f"/v1/queues/{segment(queue)}/dead"
    with connect(server, key) as api:
        if letter:
            one = msgspec.json.decode(api.get(f"{path}/{segment(letter)}").content)
            show(
                one, view, [{"what": name, "value": _joined(value)} for name, value in one.items()]
            )
            return
        letters, more = _read_letters(api, path, {"reason": reason, "actor": actor}, limit)
    columns = ("id", "reason", "actor", "deliveries", "diedAt")
    show(
        letters,
        view,
        [
            {name: each[name] for name in columns} | {"about": len(each["about"])}
            for each in letters
        ],
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
    _order(queue, "/dead:requeue", _which(ids, everything, reason, actor, token), server, key, view)


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
    _order(queue, "/dead:delete", _which(ids, everything, reason, actor, token), server, key, view)


#: Commands whose name is not their function's.
_NAMES = {"list_queues": "list", "show_queue": "show", "delete_dead": "delete-dead"}


def _read(api: Api, queue: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(api.get(f"/v1/queues/{segment(queue)}").content)
    return found


def _post(api: Api, queue: str, what: str, body: object = None) -> dict[str, Any]:
    content = b"" if body is None else msgspec.json.encode(body)
    answer = api.request(
        "POST",
        f"/v1/queues/{segment(queue)}{what}",
        content=content,
        headers={"content-type": "application/json"},
    )
    found: dict[str, Any] = msgspec.json.decode(answer.content)
    return found


def _tell(queue: str, what: str, server: str, key: str, view: View) -> None:
    with connect(server, key) as api:
        found = _post(api, queue, f":{what}")
    _show_one(found, view)


def _order(queue: str, what: str, body: object, server: str, key: str, view: View) -> None:
    with connect(server, key) as api:
        done = _post(api, queue, what, body)
    show(done, view, [done])


def _which(
    ids: list[str] | None, everything: bool, reason: str, actor: str, token: str
) -> dict[str, object]:
    named: dict[str, object] = {
        "reason": reason,
        "actor": actor,
        "token": token,
        "ids": ids,
        "all": everything,
    }
    order = {name: value for name, value in named.items() if value}
    if bool(ids) == bool(everything or reason or actor) or (ids and token):
        raise InvalidInputError(
            "say which: ids of dead letters (`stanine queues dead QUEUE` lists them), or --reason or --actor, or --all"
        )
    return order


def _wait_until_drained(api: Api, queue: str, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    with progress(f"draining {queue}"):
        while True:
            found = _read(api, queue)
            left = deadline - time.monotonic()
            if found["drained"] or left <= 0:
                return found
            time.sleep(min(_POLL, left))


def _read_letters(
    api: Api, path: str, chosen: dict[str, str], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    params: dict[str, str | int] = {name: value for name, value in chosen.items() if value}
    letters: list[dict[str, Any]] = []
    while True:
        try:
            page = msgspec.json.decode(
                api.get(path, params | {"limit": min(_PAGE, limit - len(letters))}).content
            )
        except HistoryChangedError as error:
            if params.get("after") == error.following:
                raise
            note(
                "the server came back with other data; listing its dead letters from the beginning"
            )
            letters, params["after"] = [], error.following
            continue
        letters += page["items"]
        if not page["next"] or len(letters) >= limit:
            return letters, bool(page["next"])
        params["after"] = page["next"]


def _show_one(found: dict[str, Any], view: View) -> None:
    flat = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    flat |= {f"deaths.{name}": value for name, value in found["deaths"].items()}
    flat |= {f"settings.{name}": value for name, value in found.get("settings", {}).items()}
    show(found, view, [{"what": name, "value": value} for name, value in flat.items()])
    for fault in found.get("faults", ()):
        note(f"settings not applied: {fault}")


def _joined(value: object) -> object:
    return " ".join(value) if isinstance(value, list) else value
