"""The Redis function libraries that the operator loads, each read once.

Used by the kinds Queue and Instrument.
"""

from functools import cache

from stanine import store
from stanine.broker.connection.functions import Library


@cache
def store_library() -> Library:
    """Return the store's library."""
    return store.load_library()
