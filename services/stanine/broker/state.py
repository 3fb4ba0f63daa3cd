"""What a queue is told to do. The state is a field of the settings hash, seen by producers at once and by consumers within 2 s.

Running   the default.
Paused    nothing new is handed out and delayed messages stay where they are; what an actor has goes on; producers go on.
Draining  what is there is worked off, with all that it begets (retries, pipelines, what its actors send); new messages are refused.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from enum import StrEnum

from stanine.broker.errors import BrokerSettingsInvalid

#: The field of the settings hash.
STATE_FIELD = b"state"

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
