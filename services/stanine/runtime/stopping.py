"""The signals that stop a process: in asyncio for the API and the operator, with threads for the watchers."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

#: Signals that stop a process.
STOPPING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def call_on_signals(stop: Callable[[], object]) -> None:
    """Call a function in the running event loop when a stopping signal arrives."""
    for number in STOPPING_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)


def event_on_signals() -> threading.Event:
    """Return an event that a stopping signal sets. Must be called in the main thread.

    The C handler writes to a pipe, and a thread that reads it sets the event. A Python handler could deadlock: it runs
    in the main thread between any two bytecodes, possibly while that thread holds the event's lock, which `set` needs.
    """
    stop = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in STOPPING_SIGNALS:
        signal.signal(number, lambda _number, _frame: None)

    def listen() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    return stop
