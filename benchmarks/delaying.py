"""Delay replies by a fixed time: `python -m benchmarks.delaying PORT UPSTREAM_PORT MS`.

A proxy without other limits, for growth.py without toxiproxy. On 127.0.0.1 only; stopped by a signal.
"""

import asyncio
import contextlib
import sys

#: Bytes per read.
CHUNK = 1 << 18


async def pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Forward chunks in order, each after the delay."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, data = await waiting.get()
            if not data:
                break
            await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(data)
        writer.write_eof()  # the other direction may still be open

    async with asyncio.TaskGroup() as both:
        both.create_task(write())
        while data := await reader.read(CHUNK):
            waiting.put_nowait((loop.time() + seconds, data))
        waiting.put_nowait((0.0, b""))


async def serve(port: int, upstream: int, seconds: float) -> None:
    """Serve until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
        with contextlib.suppress(OSError, ExceptionGroup):
            await asyncio.gather(
                pass_on(reader, far_writer, 0.0), pass_on(far_reader, writer, seconds)
            )
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    _port, _upstream, _ms = sys.argv[1:]
    asyncio.run(serve(int(_port), int(_upstream), float(_ms) / 1000))
