"""The transport of uvicorn's protocol, which sends a whole answer in one write.

Made by `guard` for each connection; `http` marks the answers. uvicorn writes head and body separately, and uvloop
makes a system call for each, which is the largest cost of a small request.
"""

import asyncio

#: Maximum bytes of a body that is appended to its head; a longer one is written separately.
MAX_JOINED_BYTES = 16 << 10


class AnswerWriter:
    """Forwards the writes of uvicorn's protocol; holds the head of an answer until its body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = False
        self._held = b""
        self.get_extra_info, self.is_closing = transport.get_extra_info, transport.is_closing
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def hold(self) -> None:
        """Hold the next write until the one after it, `release` or `close`."""
        self._holds = True

    def release(self) -> None:
        """Write the held data."""
        self._holds = False
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def write(self, data: bytes) -> None:
        """Write, or hold until the next write."""
        if self._holds:
            self._holds, self._held = False, data
            return
        if self._held and len(data) <= MAX_JOINED_BYTES:
            data, self._held = self._held + data, b""
        self.release()
        self._transport.write(data)

    def close(self) -> None:
        """Write the held data, and close."""
        self.release()
        self._transport.close()
