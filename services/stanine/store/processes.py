"""The processes of a namespace and the state of their loops. Written by every service, read by the API for /v1/status.

A hint for people: nothing depends on it. A process that has been silent for SILENT_MS is removed by the others.
"""

import importlib.metadata
import os
import secrets
import socket
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import redis
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.store.errors import CorruptRecordError
from stanine.store.keys import Keys

#: Seconds between two notes of a process; milliseconds of silence after which it is removed.
NOTE_SECONDS, SILENT_MS = 5.0, 30_000
_NAME_BYTES = 8


class LoopState(msgspec.Struct, frozen=True, array_like=True):
    """A loop of a process.

    `completed_ago`: seconds since its last successful iteration, None before the first; `failing`: the problem of the
    last iteration, empty if there is none.
    """

    name: str
    completed_ago: float | None
    failing: str = ""


class ProcessState(msgspec.Struct, frozen=True, array_like=True):
    """A process: its service, its place, its version, its start (ms since 1970), and its loops."""

    service: str
    host: str
    pid: int
    version: str
    started_at: int
    loops: tuple[LoopState, ...] = ()


class SeenProcess(msgspec.Struct, frozen=True):
    """A process, and when the server last heard from it (ms since 1970)."""

    seen_at: int
    state: ProcessState


class OwnProcess:
    """This process's entry among the processes."""

    def __init__(self, service: str, library: Library, keys: Keys) -> None:
        self._library = library
        self._key = keys.processes
        self._name = secrets.token_hex(_NAME_BYTES)
        self._state = ProcessState(
            service,
            socket.gethostname(),
            os.getpid(),
            importlib.metadata.version("stanine"),
            int(time.time() * 1000),
        )

    def note(self, client: "redis.Redis", loops: Sequence[LoopState]) -> None:
        """Write the entry. Raises redis-py's errors."""
        self._library.call(client, "note_process", [self._key], self._arguments(loops))

    async def note_async(self, client: "redis.asyncio.Redis", loops: Sequence[LoopState]) -> None:
        """Write the entry, from asyncio. Raises redis-py's errors."""
        await self._library.call_async(client, "note_process", [self._key], self._arguments(loops))

    def _arguments(self, loops: Sequence[LoopState]) -> list[Argument]:
        state = msgspec.structs.replace(self._state, loops=tuple(loops))
        return [self._name, msgspec.msgpack.encode(state), SILENT_MS]


async def read_processes(client: Any, keys: Keys) -> list[SeenProcess]:
    """Return the processes by service and start."""
    found = []
    for stored in (await client.hgetall(keys.processes)).values():
        at, _, record = stored.partition(b" ")
        try:
            found.append(SeenProcess(int(at), msgspec.msgpack.decode(record, type=ProcessState)))
        except (ValueError, msgspec.MsgspecError) as error:
            raise CorruptRecordError("the entry of a process cannot be read") from error
    return sorted(found, key=lambda each: (each.state.service, each.state.started_at))
