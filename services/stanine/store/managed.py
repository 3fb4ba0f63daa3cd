"""Instruments in the name of a resource that manages them: published, held, removed. Used by the operator, without asyncio.

What is held is refused to everybody else who publishes, for three minutes at a time (stanine.broker.connection.ownership).
"""

from enum import Enum
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import HOLD_MS, Manager, read_manager
from stanine.messages import Outbox
from stanine.store.errors import InstrumentManagedError
from stanine.store.index import index_keys
from stanine.store.instruments import Published, publish_call, read_published
from stanine.store.keys import Keys
from stanine.store.views import new_token


class Standing(msgspec.Struct, frozen=True):
    """How an instrument stands: its newest revision (0: never published), that one's form and digest, and which revision is indexed."""

    revision: int
    form: int
    digest: str
    indexed: int


class Removal(Enum):
    """What asking for an instrument's removal came to."""

    REMOVED = 1
    ABSENT = 0
    HAS_ATTEMPTS = -1


class ManagedInstruments:
    """The instruments of one namespace."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys, outbox: Outbox) -> None:
        self._client = client
        self._library = library
        self._keys = keys
        self._outbox = outbox

    def publish(
        self,
        name: str,
        document: bytes,
        digest: str,
        form_digest: str,
        manager: Manager,
        *,
        gone: str = "",
        trace: bytes = b"",
    ) -> Published:
        """Make a document the newest revision, unless it is that already, hold the instrument, and ask for its index entry.

        `gone`: the uid of a manager that is known to be no more, whose hold does not count; `trace`: a traceparent for the message.
        Raises InstrumentManagedError.
        """
        content = (document, digest, form_digest)
        keys, args = publish_call(
            self._keys, self._outbox, name, content, trace=trace, manager=manager, gone=gone
        )
        return read_published(name, digest, self._library.call(self._client, "publish", keys, args))

    def hold(self, name: str, manager: Manager, *, takes: bool, gone: str = "") -> Standing:
        """Hold an instrument (with `takes` false only if it is held already) and return how it stands. Raises InstrumentManagedError."""
        keys = [self._keys.instrument(name), self._keys.index]
        args = [name, manager.encode(), gone, HOLD_MS, int(takes)]
        revision, form, digest, indexed, keeper = self._call("hold_instrument", keys, args)
        if keeper:
            raise InstrumentManagedError(name, read_manager(keeper))
        return Standing(revision, form, digest.decode(), indexed)

    def remove(self, name: str, manager: Manager) -> Removal:
        """Remove an instrument that nobody ever answered: documents, index entries, its place in lists.

        Its number is never given again, and published anew it goes on after its last revision. Raises InstrumentManagedError.
        """
        keys = self._keys
        named = [
            keys.instrument(name),
            keys.instruments,
            keys.numbers,
            *index_keys(keys),
            keys.answered,
            keys.commits,
        ]
        reply = self._call("remove_instrument", named, [name, manager.encode(), new_token()])
        if len(reply) > 1:
            raise InstrumentManagedError(name, read_manager(reply[1]))
        return Removal(reply[0])

    def _call(self, function: str, keys: list[str], args: list[Any]) -> Any:
        return self._library.call(self._client, function, keys, args)
