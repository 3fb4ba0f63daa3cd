"""Errors of the store. Connection errors remain redis-py's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from stanine.broker.connection.ownership import Owner, OwnershipConflictError
from stanine.domain.errors import StanineError


class StoreError(StanineError):
    """Base class of the store's errors."""


class DigestMismatchError(StoreError):
    """The digest given as a precondition of a publish is not the current one."""

    def __init__(self, name: str, digest: str | None) -> None:
        super().__init__(
            f"instrument {name!r} has changed: its digest is now {digest}"
            if digest
            else f"instrument {name!r} does not exist"
        )
        self.digest = digest


class InstrumentManagedError(StoreError, OwnershipConflictError):
    """A custom resource (`holder`) owns the instrument; nothing was changed."""

    def __init__(self, name: str, holder: Owner) -> None:
        OwnershipConflictError.__init__(self, f"instrument {name!r}", holder)


class CorruptRecordError(StoreError):
    """A record in Redis does not have a layout that this version supports."""


class NotDurableError(StoreError):
    """A write was executed but its durability was not confirmed. The outcome is unknown.

    A retry is safe.
    """


class StaleViewError(StoreError):
    """An index view does not match the server's data, because the server restarted with other data.

    Temporary.
    """


class LostCursorError(StoreError):
    """A cursor refers to an item that the list does not contain.

    `following` is the cursor to continue from.
    """

    def __init__(self, following: str) -> None:
        super().__init__("the list has changed: the server restarted with other data")
        self.following = following


@contextmanager
def stale_views() -> Iterator[None]:
    """Translate a function's STALEVIEW error into StaleViewError."""
    try:
        yield
    except redis.ResponseError as error:
        if str(error).startswith("STALEVIEW"):
            raise StaleViewError("the index view does not match the server's data") from None
        raise
