"""What the broker refuses, each with its remedy. Connection trouble is Dramatiq's own BrokerConnectionError."""

from collections.abc import Sequence

from stanine.broker.connection.ownership import ManagedError, Manager


class StreamsBrokerError(ValueError):
    """Root of what a caller did wrong."""


class BatchRefused(StreamsBrokerError):  # noqa: N818 - says what happened, as Dramatiq's own do
    """A batch actor, or a message to one, asks for something that cannot be kept when messages are merged."""


class DedupeRefused(StreamsBrokerError):  # noqa: N818 - likewise
    """The deduplication that an actor or a message asks for cannot be done."""


class QueueDraining(StreamsBrokerError):  # noqa: N818 - likewise
    """The queue is being drained and takes no new messages. Temporary: try again when it has been resumed."""


class RequestConflict(StreamsBrokerError):  # noqa: N818 - likewise
    """The token of a purge or re-queueing stands for another request: every request needs its own."""


class QueueManaged(StreamsBrokerError, ManagedError):  # noqa: N818 - likewise
    """Somebody manages the queue (`holder`), so that its settings and state are not for others to change; nothing was changed."""

    def __init__(self, queue: str, holder: Manager) -> None:
        ManagedError.__init__(self, f"queue {queue}", holder)


class BrokerSettingsInvalid(StreamsBrokerError):  # noqa: N818 - likewise
    """A queue's settings hash holds values that cannot be used; `faults` names every one."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
