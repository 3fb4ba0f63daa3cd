"""Being told to stop, for a command that looks after child processes. Used by `up`.

Handlers set plain attributes only. An Event would not do: a handler runs in the main thread between any two steps of it, also while that
thread holds the Event's own lock, and `set` would then wait for itself for ever.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType


class StopRequests:
    """Whether somebody asked for the end, and a sleep that any signal cuts short. Main thread only."""

    def __init__(self, woken: int) -> None:
        self._woken = woken
        self._requested = False

    def requested(self) -> bool:
        """Tell whether somebody has asked for the end."""
        return self._requested

    def wait(self, seconds: float) -> None:
        """Sleep until a signal comes (a child has ended, or somebody asks for the end), at most so long."""
        if select.select([self._woken], [], [], seconds)[0]:
            os.read(self._woken, 4096)

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """Be told by the system."""
        self._requested = True


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Listen for signals. A second Ctrl-C while things stop does not cut that short: stopping is bounded by itself."""
    asking = (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    )  # Ctrl-C, a plain kill, the end of the terminal
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    requests = StopRequests(woken)
    handlers = dict.fromkeys(asking, requests.note) | {signal.SIGCHLD: lambda _number, _frame: None}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    previous = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    try:
        yield requests
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(woken)
        os.close(waking)
