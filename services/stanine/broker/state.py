"""What a queue is told to do, and the gate that producers pass. The state is a field of the settings hash, seen by everyone within 2 s.

Running   the default.
Paused    nothing new is handed out and delayed messages stay where they are; what an actor has goes on; producers go on.
Draining  what is there is worked off, with all that it begets (retries, pipelines, what its actors send); new messages are refused.
"""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from enum import StrEnum

from stanine.broker.errors import BrokerSettingsInvalid

#: The field of the settings hash.
STATE_FIELD = b"state"
#: Seconds that a producer trusts what it last saw of a queue's state.
TRUST = 1.0

#: Whether this thread (or a coroutine it started) is at work on a message: what it sends is begotten by that and passes every gate.
working: ContextVar[bool] = ContextVar("working", default=False)


class QueueState(StrEnum):
    """What a queue is told to do."""

    RUNNING = "Running"
    PAUSED = "Paused"
    DRAINING = "Draining"


def read_state(fields: Mapping[bytes, bytes]) -> QueueState:
    """Return the state in a settings hash; raises BrokerSettingsInvalid if it is none of the three."""
    text = fields.get(STATE_FIELD, QueueState.RUNNING.encode()).decode(errors="replace")
    try:
        return QueueState(text)
    except ValueError:
        raise BrokerSettingsInvalid([f"state is {text!r}, not {', '.join(QueueState)}"]) from None


class Gate:
    """Remembers for a moment which queues took messages, so that a single enqueue need not ask each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open_until: dict[str, float] = {}

    def is_open(self, queue: str) -> bool:
        """Tell whether a message for this queue may go without asking."""
        return self._open_until.get(queue, 0.0) > self._clock() or working.get()

    def passed(self, queue: str) -> None:
        """Note that the queue took a message which could have been refused."""
        if not working.get():
            self._open_until[queue] = self._clock() + TRUST
