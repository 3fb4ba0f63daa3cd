"""The stream of one bulk request: lines read and not yet stored, answers made and not yet sent. Used by `intake.bulk`.

Reading, ordering and sending run concurrently; memory is bounded by the settings of a group and by BACKLOG_BYTES.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.intake.ndjson import Line, LineSplitter
from stanine.api.web.http import NDJSON, ClientGone, Request
from stanine.api.web.problems import Problem

#: Groups of lines waiting to be stored, so that reading continues while a group is stored.
MAX_WAITING = 2
#: Concurrent Redis calls of one request: the next group is prepared while the last one is stored.
MAX_UNDER_WAY = 2
#: Maximum bytes of answers that the client has not read: the answers of about 200,000 lines.
BACKLOG_BYTES = 32 << 20
#: Seconds without a byte from or to the client until the connection is aborted.
STALL_SECONDS = 60.0

_encode = msgspec.json.Encoder().encode


class Stalled(ClientGone):
    """Raised for a client that neither sends nor reads."""


class Revoked(ClientGone):
    """Raised after the caller was informed that its key is revoked."""


class BulkStream:
    """Lines and answers of one bulk request, between the steps that process them."""

    def __init__(self, name: str, key_space: bytes, live: CurrentSettings) -> None:
        self.name = name
        self.key_space = key_space
        self.live = live
        #: Maximum bytes of a line, fixed for the whole request.
        self.line_bytes = live.now.max_attempt_bytes
        self.lines: deque[Line] = deque()
        self.lines_size = 0
        self.read_all = False
        self.groups: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(MAX_UNDER_WAY)
        self.backlog: deque[bytes] = deque()
        self.backlog_size = 0
        self.collected_all = False
        #: Refuses all remaining lines: after a failure of Redis, trying each group would only take time.
        self.refusal: Problem | None = None
        #: Refuses further lines because the caller's key was revoked.
        self.revoked: Problem | None = None
        #: The number of the last line read.
        self.last_line = 0
        #: Time of the last byte from or to the client.
        self.moved = time.monotonic()
        self._waiters: list[asyncio.Future[None]] = []

    def add_lines(self, lines: Sequence[Line]) -> None:
        """Add lines that were read."""
        self.lines.extend(lines)
        self.last_line = lines[-1].number if lines else self.last_line
        self.lines_size += sum(len(line.text or b"") for line in lines)
        self.changed()

    def take_lines(self) -> list[Line]:
        """Remove and return the lines of the next group."""
        lines: list[Line] = []
        size = 0
        most, most_bytes = self.live.now.bulk_group_lines, self.live.now.bulk_group_bytes
        while self.lines and len(lines) < most and size < most_bytes:
            line = self.lines.popleft()
            size += len(line.text or b"")
            lines.append(line)
        self.lines_size -= size
        self.changed()
        return lines

    def has_room(self) -> bool:
        """Return whether more lines may be read."""
        settings = self.live.now
        return (
            len(self.lines) < MAX_WAITING * settings.bulk_group_lines
            and self.lines_size < MAX_WAITING * settings.bulk_group_bytes
        )

    def changed(self) -> None:
        """Wake the steps that wait for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; `changed` is called after each change of this record."""
        while not holds():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


async def read_lines(stream: BulkStream, request: Request) -> None:
    """Split the request body into lines until it ends; wait while no more lines have room. Raises ClientGone."""
    splitter = LineSplitter(stream.line_bytes)
    more = True
    while more:
        await stream.until(stream.has_room)
        stream.moved = time.monotonic()  # waiting for room is no stall of the client
        chunk, more = await request.chunk()
        stream.moved = time.monotonic()
        stream.add_lines(splitter.feed(chunk))
    stream.read_all = True
    stream.add_lines(splitter.finish())


async def collect_answers(stream: BulkStream) -> None:
    """Order the answers by line, in at most BACKLOG_BYTES."""
    while (group := await stream.groups.get()) is not None:
        answers = await group
        await stream.until(lambda: stream.backlog_size < BACKLOG_BYTES)
        stream.backlog.append(answers)
        stream.backlog_size += len(answers)
        stream.changed()
    stream.collected_all = True
    stream.changed()


async def write_answers(stream: BulkStream, request: Request) -> None:
    """Send the answers until all are sent. Raises Revoked after the line with the reason, and ClientGone."""
    while True:
        await stream.until(lambda: bool(stream.backlog) or stream.collected_all)
        if not stream.backlog and stream.revoked is not None:
            if not request.started:
                raise stream.revoked
            refusal = {
                "line": stream.last_line + 1,
                "status": stream.revoked.kind.status,
                "problem": stream.revoked.document,
            }
            await request.write(_encode(refusal) + b"\n")
            raise Revoked
        if not request.started:
            await request.begin(200, NDJSON)
        if not stream.backlog:
            await request.write(b"", more=False)
            return
        answers = stream.backlog.popleft()
        await request.write(answers)
        stream.moved = time.monotonic()
        stream.backlog_size -= len(answers)
        stream.changed()


async def watch_progress(stream: BulkStream) -> None:
    """Raise Stalled after STALL_SECONDS without a byte from or to the client."""
    while True:
        await asyncio.sleep(STALL_SECONDS / 12)
        if time.monotonic() - stream.moved > STALL_SECONDS:
            raise Stalled
