"""`stanine status`: processes, queues, index and sweeps. Registered by `application`."""

from typing import Any

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, emit, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client.records import ServiceStatus


def status(server: Server = DEFAULT_SERVER, key: Key = "", view: Shown = View.TABLE) -> None:
    """Show the state of processes, queues, index and sweeps. Needs the scope `operate:read`.

    `-o json` has the last 15 minutes, too.
    """
    with connect(server, key) as client:
        found = client.status.get()
    if view is not View.TABLE:
        show(found, view, [])
        return
    show(found, view, [_process(found, index) for index in range(len(found.processes))])
    emit("")
    show(found, view, [_queue(found, index) for index in range(len(found.now.queues))])
    emit("")
    show(found, view, [_work(found)])
    for each in found.index.behind:
        note(
            f"{each.instrument}: revision {each.published} is published, {each.served or 'none'} is served"
        )
    for process in found.processes:
        for loop in process.loops:
            if loop.failing:
                note(f"{process.service} on {process.host}: {loop.name} fails: {loop.failing}")


def _process(status: ServiceStatus, index: int) -> dict[str, Any]:
    process = status.processes[index]
    return {
        "service": process.service,
        "host": process.host,
        "version": process.version,
        "startedAt": process.started_at,
        "failing": sum(loop.failing is not None for loop in process.loops),
    }


def _queue(status: ServiceStatus, index: int) -> dict[str, Any]:
    queue = status.now.queues[index]
    return {
        "queue": queue.queue,
        "ready": queue.ready,
        "inFlight": queue.in_flight,
        "delayed": queue.delayed,
        "dead": queue.dead,
        "oldestSeconds": queue.oldest_seconds,
    }


def _work(status: ServiceStatus) -> dict[str, Any]:
    first = status.history[0] if status.history else status.now
    return {
        "attempts": status.now.attempts,
        "results": status.now.results,
        "recentAttempts": status.now.attempts - first.attempts,
        "recentResults": status.now.results - first.results,
        "instruments": status.index.instruments,
        "behind": status.index.behind_count,
        "openSessions": status.sweeps.sessions,
    }
