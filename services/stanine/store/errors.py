"""What can go wrong in the store, apart from Redis itself being away (those errors stay redis-py's own)."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from stanine.broker.connection.ownership import ManagedError, Manager
from stanine.domain.errors import StanineError


class StoreError(StanineError):
    """The root of the store's errors."""


class PreconditionFailedError(StoreError):
    """A publish named the digest it wanted to replace, and another one stands there."""

    def __init__(self, name: str, digest: str | None) -> None:
        super().__init__(
            f"instrument {name!r} has changed meanwhile: its digest is now {digest}"
            if digest
            else f"there is no instrument {name!r} yet"
        )
        self.digest = digest


class InstrumentManagedError(StoreError, ManagedError):
    """Somebody manages the instrument (`holder`), so that publishing it is not for others; nothing was changed."""

    def __init__(self, name: str, holder: Manager) -> None:
        ManagedError.__init__(self, f"instrument {name!r}", holder)


class CorruptRecordError(StoreError):
    """A record in Redis does not have the layout that this version writes."""


class NotDurableError(StoreError):
    """A write is done but not known to be on disk: its outcome is unknown to the caller, who may send it again."""


class StaleViewError(StoreError):
    """Something was made with an index that does not belong to the server's data: the server came back with other data. Temporary."""


class HistoryChangedError(StoreError):
    """A cursor points behind an item that the list does not have there; `next` is the cursor to continue from."""

    def __init__(self, following: str) -> None:
        super().__init__("the list has changed: the server came back with other data")
        self.following = following


@contextmanager
def stale_views() -> Iterator[None]:
    """Raise StaleViewError for the error by which a function refuses a view of the index."""
    try:
        yield
    except redis.ResponseError as error:
        if str(error).startswith("STALEVIEW"):
            raise StaleViewError(
                "the index that this was made with does not belong to the server's data"
            ) from None
        raise
