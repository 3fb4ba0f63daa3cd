"""Ctrl-C as a flag, for commands that poll the server. Used by `rescore`.

The handler raises nothing: Python drops an exception that a handler raises inside a destructor.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed. Main thread only.

    A second Ctrl-C has its usual effect, so that a request without an answer does not hold the command.
    """
    is_noted = False
    before = signal.getsignal(signal.SIGINT)

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_noted
        is_noted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: is_noted
    finally:
        signal.signal(signal.SIGINT, before)
