"""The transport as uvicorn's protocol sees it: a whole answer is one write. Made by `guard` for each connection, told by `http`.

uvicorn writes the head and the body of an answer apart, and uvloop makes each a system call at once: what costs most of a small request.
"""

import asyncio

#: Bytes of a body that is copied behind its head; a longer one is written by itself.
MAX_JOINED_BYTES = 16 << 10


class AnswerWriter:
    """Passes on what uvicorn's protocol writes; the head of a whole answer waits for its body."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holds = False
        self._held = b""
        self.get_extra_info, self.is_closing = transport.get_extra_info, transport.is_closing
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def hold(self) -> None:
        """Keep what is written next until the write after it, `release` or `close`."""
        self._holds = True

    def release(self) -> None:
        """Write what is kept."""
        self._holds = False
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def write(self, data: bytes) -> None:
        """Write, or keep until the next write."""
        if self._holds:
            self._holds, self._held = False, data
            return
        if self._held and len(data) <= MAX_JOINED_BYTES:
            data, self._held = self._held + data, b""
        self.release()
        self._transport.write(data)

    def close(self) -> None:
        """Write what is kept, and close."""
        self.release()
        self._transport.close()
