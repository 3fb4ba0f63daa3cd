"""Instruments owned by custom resources: publish, hold, remove. Used by the operator, synchronous.

An owned instrument rejects other publishers for three minutes after each hold (stanine.broker.connection.ownership).
"""

from enum import Enum
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import HOLD_MS, Owner, read_owner
from stanine.messages import Outbox
from stanine.store.errors import InstrumentManagedError
from stanine.store.index import index_keys
from stanine.store.instruments import Published, publish_call, read_published
from stanine.store.keys import Keys
from stanine.store.views import new_token


class InstrumentState(msgspec.Struct, frozen=True):
    """State of an instrument: newest revision (0: none), its form and digest, indexed revision."""

    revision: int
    form: int
    digest: str
    indexed: int


class Removal(Enum):
    """Result of a removal request."""

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
        manager: Owner,
        *,
        gone: str = "",
        trace: bytes = b"",
    ) -> Published:
        """Publish a document as the newest revision, unless unchanged, and own the instrument.

        Requests its indexing. `gone`: uid of a deleted owner, whose ownership is ignored; `trace`: a traceparent for
        the message.
        Raises InstrumentManagedError.
        """
        content = (document, digest, form_digest)
        keys, args = publish_call(
            self._keys, self._outbox, name, content, trace=trace, manager=manager, gone=gone
        )
        return read_published(name, digest, self._library.call(self._client, "publish", keys, args))

    def hold(self, name: str, manager: Owner, *, takes: bool, gone: str = "") -> InstrumentState:
        """Renew the ownership of an instrument and return its state; raise InstrumentManagedError.

        `takes`: also take ownership of an instrument without owner.
        """
        keys = [self._keys.instrument(name), self._keys.index]
        args = [name, manager.encode(), gone, HOLD_MS, int(takes)]
        revision, form, digest, indexed, owner = self._call("hold_instrument", keys, args)
        if owner:
            raise InstrumentManagedError(name, read_owner(owner))
        return InstrumentState(revision, form, digest.decode(), indexed)

    def remove(self, name: str, manager: Owner) -> Removal:
        """Remove an instrument without attempts: documents, index entries, list entries.

        Its number is never reused, and its revisions continue if it is published again. Raises InstrumentManagedError.
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
            raise InstrumentManagedError(name, read_owner(reply[1]))
        return Removal(reply[0])

    def _call(self, function: str, keys: list[str], args: list[Any]) -> Any:
        return self._library.call(self._client, function, keys, args)
