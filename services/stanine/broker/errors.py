"""Exceptions of the broker. Connection errors are Dramatiq's BrokerConnectionError."""

from collections.abc import Sequence

from stanine.broker.connection.ownership import Owner, OwnershipConflictError


class StreamsBrokerError(ValueError):
    """Base class of errors caused by the caller."""


class BatchRefused(StreamsBrokerError):  # noqa: N818 - named like Dramatiq's own exceptions
    """A batch actor or its message uses an option that does not apply to merged messages."""


class DedupeRefused(StreamsBrokerError):  # noqa: N818 - same
    """The deduplication options of an actor or a message are invalid."""


class QueueDraining(StreamsBrokerError):  # noqa: N818 - same
    """The queue is draining and accepts no new messages. Temporary: retry after it is resumed."""


class RequestConflict(StreamsBrokerError):  # noqa: N818 - same
    """The token of a purge or requeue request was used for a different request."""


class QueueManaged(StreamsBrokerError, OwnershipConflictError):  # noqa: N818 - same
    """An owner (`holder`) reserves the queue's settings and state; nothing was changed."""

    def __init__(self, queue: str, holder: Owner) -> None:
        OwnershipConflictError.__init__(self, f"queue {queue}", holder)


class BrokerSettingsInvalid(StreamsBrokerError):  # noqa: N818 - same
    """A queue's settings hash contains invalid values; `faults` lists all of them."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
