"""State of a queue: a field of the settings hash.

Producers observe a change immediately, consumers within 2 s.

  Running   the default
  Paused    nothing is delivered and delayed messages stay; running actors finish; producers continue
  Draining  existing messages are processed; messages sent while processing them (retries, pipelines) are
            accepted, other new messages are rejected
"""

from collections.abc import Mapping
from contextvars import ContextVar
from enum import StrEnum

from stanine.broker.errors import BrokerSettingsInvalid

#: The field of the settings hash.
STATE_FIELD = b"state"

#: Whether this thread (or a coroutine started by it) is processing a message: draining queues accept what it sends.
working: ContextVar[bool] = ContextVar("working", default=False)


class QueueState(StrEnum):
    """State of a queue."""

    RUNNING = "Running"
    PAUSED = "Paused"
    DRAINING = "Draining"


def read_state(fields: Mapping[bytes, bytes]) -> QueueState:
    """Return the state in a settings hash; raises BrokerSettingsInvalid if it is unknown."""
    text = fields.get(STATE_FIELD, QueueState.RUNNING.encode()).decode(errors="replace")
    try:
        return QueueState(text)
    except ValueError:
        raise BrokerSettingsInvalid(
            [f"state is {text!r}, not one of {', '.join(QueueState)}"]
        ) from None
