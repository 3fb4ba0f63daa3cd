"""Signal handling for commands that supervise child processes. Used by `up` and `demo`.

Handlers set plain attributes. An Event would deadlock: a handler runs in the main thread, which may hold the
Event's lock. Raising would not be reliable: Python drops an exception that a handler raises inside a destructor.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType


class StopRequestedError(Exception):
    """A stop was requested by signal; the command stops its child processes."""


class StopRequests:
    """Stop requests by signal, and a sleep that any signal interrupts. Main thread only."""

    def __init__(self, wakeup_read: int) -> None:
        self._wakeup_read = wakeup_read
        self._requested = False

    def requested(self) -> bool:
        """Return whether a stop was requested."""
        return self._requested

    def check(self) -> None:
        """Raise StopRequestedError if a stop was requested."""
        if self._requested:
            raise StopRequestedError

    def wait(self, seconds: float) -> None:
        """Sleep until a signal arrives, at most some seconds."""
        if select.select([self._wakeup_read], [], [], seconds)[0]:
            os.read(self._wakeup_read, 4096)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self._requested = True


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Handle signals. A second Ctrl-C does not interrupt stopping, which has its own time limit."""
    asking = (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    )  # Ctrl-C, kill, closed terminal
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    requests = StopRequests(wakeup_read)
    handlers = dict.fromkeys(asking, requests.note) | {signal.SIGCHLD: lambda _number, _frame: None}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    previous = signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    try:
        yield requests
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(wakeup_read)
        os.close(wakeup_write)
