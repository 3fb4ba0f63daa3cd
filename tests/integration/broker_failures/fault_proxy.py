"""A TCP proxy that simulates network faults: lost replies, resets, delays, partitions, redirection.

One thread with an asyncio loop. The Redis clients here send one command at a time per connection, so the next data is
the reply.
"""

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

#: Seconds between checks for the end of a partition.
HOLD_LOOK = 0.005
#: SO_LINGER with no time: closing sends a reset.
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Loss:
    """A fault that waits for the `nth` command (from 1) that contains `word`."""

    word: bytes
    nth: int
    #: Whether the server executes the command.
    executed: bool
    happened: bool = False


class FaultProxy:
    """Listens on `port` and forwards to `target_port` on this machine. Use as a context manager."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        #: Seconds of delay for data in each direction.
        self.latency = 0.0
        #: While set, data is held back and delivered when it ends, like retransmissions of TCP.
        self.partitioned = False
        self.port = 0
        self.url = ""
        self.resets = 0
        self._losses: list[Loss] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(5)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.partitioned = False
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def lose_reply(self, word: bytes, nth: int = 1) -> Loss:
        """Execute the nth command with this word, and reset the connection instead of its reply."""
        return self._lose(Loss(word, nth, executed=True))

    def lose_request(self, word: bytes, nth: int = 1) -> Loss:
        """Reset the connection instead of forwarding the nth command with this word."""
        return self._lose(Loss(word, nth, executed=False))

    def reset_all(self) -> None:
        """Reset every connection."""
        asyncio.run_coroutine_threadsafe(self._reset_all(), self._loop).result(5)

    def _lose(self, loss: Loss) -> Loss:
        self._losses.append(loss)
        return loss

    def _find(self, data: bytes) -> Loss | None:
        found = None
        for loss in self._losses:
            if not loss.happened and loss.word in data:
                loss.nth -= 1
                if loss.nth == 0:
                    loss.happened = True
                    found = loss
        return found

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            await self._reset(writer)
            return
        self._writers |= {writer, upstream}
        lost = asyncio.Event()
        pumps = [
            asyncio.create_task(self._forward(reader, upstream, lost)),
            asyncio.create_task(self._back(upstream_reader, writer, lost)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for each in (writer, upstream):
            await self._reset(each)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 20):
            loss = self._find(data)
            if loss is not None and not loss.executed:
                return
            if loss is not None:
                lost.set()
            await self._pass(writer, data)

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(1 << 20):
            if lost.is_set():
                return
            await self._pass(writer, data)

    async def _pass(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        while self.partitioned:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(HOLD_LOOK)
        writer.write(data)
        await writer.drain()

    async def _reset(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
        self.resets += 1

    async def _reset_all(self) -> None:
        for writer in list(self._writers):
            await self._reset(writer)

    async def _end(self) -> None:
        self._server.close()
        await self._reset_all()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        if serving:
            await asyncio.wait(serving, timeout=2)
