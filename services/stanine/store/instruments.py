"""Instruments and their revisions. A publish and the message that requests its indexing are atomic.

Used by the API from asyncio; the watchers read through `InstrumentHistory`; the operator uses `managed`.
"""

from typing import Any

import msgspec
import redis
import redis.asyncio

from stanine.broker.connection.functions import Argument
from stanine.broker.connection.ownership import HOLD_MS, Owner, read_owner
from stanine.messages import Outbox, join_names
from stanine.store.durability import Writer
from stanine.store.errors import DigestMismatchError, InstrumentManagedError
from stanine.store.keys import Keys
from stanine.store.views import ask_for_view, check_view


class Published(msgspec.Struct, frozen=True):
    """Result of a publish: the newest revision, its form, and whether this publish created it."""

    revision: int
    form: int
    changed: bool
    digest: str


class StoredDocument(msgspec.Struct, frozen=True):
    """One revision of an instrument with its canonical document."""

    name: str
    number: int
    revision: int
    form: int
    digest: str
    document: bytes
    published_at: int


class InstrumentSummary(msgspec.Struct, frozen=True):
    """An instrument in a list: its newest revision."""

    name: str
    revision: int
    form: int
    digest: str


class History(msgspec.Struct, frozen=True):
    """Number, newest revision, and form of each revision (from 1) of an instrument.

    Form 0: the revision was removed before the instrument was published again.
    """

    number: int
    revision: int
    forms: tuple[int, ...]

    def newest_of_forms(self) -> dict[int, int]:
        """Return the newest revision of each form: the index has an entry for each."""
        return {form: revision for revision, form in enumerate(self.forms, start=1) if form}

    def spans(self, form: int) -> tuple[tuple[int, int], ...]:
        """Return the revisions that have a form, as first and last of each run without another form between."""
        found: list[tuple[int, int]] = []
        for revision, its in enumerate(self.forms, start=1):
            if its != form:
                continue
            if found and found[-1][1] == revision - 1:
                found[-1] = (found[-1][0], revision)
            else:
                found.append((revision, revision))
        return tuple(found)


def publish_call(
    keys: Keys,
    outbox: Outbox,
    name: str,
    content: tuple[bytes, str, str],
    conditions: tuple[Argument, ...] = ("", 0),
    trace: bytes = b"",
    manager: Owner | None = None,
    gone: str = "",
) -> tuple[list[str], list[Argument]]:
    """Return the KEYS and ARGV of the function `publish`.

    `content`: document, its digest, its form's digest; `gone`: see `managed`.
    """
    held = ("", "", 0) if manager is None else (manager.encode(), gone, HOLD_MS)
    args: list[Argument] = [
        name,
        *content,
        *conditions,
        outbox.head,
        join_names([name]),
        trace,
        *held,
    ]
    return [keys.instrument(name), keys.instruments, keys.numbers, outbox.stream], args


def read_published(name: str, digest: str, reply: Any) -> Published:
    """Parse the reply of `publish`; raise DigestMismatchError or InstrumentManagedError."""
    if reply[0] == -1:
        raise DigestMismatchError(name, reply[1].decode() or None)
    if reply[0] == -2:
        raise InstrumentManagedError(name, read_owner(reply[1]))
    return Published(revision=reply[0], form=reply[1], changed=bool(reply[2]), digest=digest)


class Instruments:
    """The instruments of one namespace, for asyncio."""

    def __init__(
        self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys, outbox: Outbox
    ) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys
        self._outbox = outbox

    async def publish(
        self,
        name: str,
        document: bytes,
        digest: str,
        form_digest: str,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        trace: bytes = b"",
    ) -> Published:
        """Publish a document as the newest revision, unless unchanged, and request its indexing.

        `if_match`: digest of the revision to replace; `if_none_match`: reject if the instrument exists.
        Raises DigestMismatchError, InstrumentManagedError; redis-py's errors if the outcome is unknown: a retry is
        safe.
        """
        conditions: tuple[Argument, ...] = (if_match or "", int(if_none_match))
        keys, args = publish_call(
            self._keys, self._outbox, name, (document, digest, form_digest), conditions, trace
        )
        return read_published(name, digest, await self._writer.call("publish", keys, args))

    async def read(
        self, name: str, revision: int | None = None, *, view: str = ""
    ) -> StoredDocument | None:
        """Return one revision of an instrument, by default the newest; None if it does not exist.

        Raises StaleViewError if the index view `view` does not match the server's data.
        """
        key = self._keys.instrument(name)
        wanted = revision or int(await self._client.hget(key, "revision") or 0)
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hmget(
            key, ["number", *(f"{what}:{wanted}" for what in ("doc", "digest", "form", "at"))]
        )
        ask_for_view(pipeline, self._keys, view)
        (number, document, digest, form, published), token = await pipeline.execute()
        check_view(view, token)
        if document is None:
            return None
        return StoredDocument(
            name, int(number), wanted, int(form), digest.decode(), document, int(published)
        )

    async def list(self, after: str | None, limit: int) -> list[InstrumentSummary]:
        """Return up to `limit` instruments by name, starting after `after`."""
        start = f"({after}" if after else "-"
        names = [
            name.decode()
            for name in await self._client.zrangebylex(self._keys.instruments, start, "+", 0, limit)
        ]
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hmget(self._keys.instrument(name), ["revision", "form", "digest"])
        replies = await pipeline.execute() if names else []
        return [
            InstrumentSummary(name, int(revision), int(form), digest.decode())
            for name, (revision, form, digest) in zip(names, replies, strict=True)
        ]


class InstrumentHistory:
    """Instruments as the watchers read them, synchronous."""

    def __init__(self, client: "redis.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys

    def names(self) -> list[str]:
        """Return the names of all instruments."""
        return [name.decode() for name in self._client.zrange(self._keys.instruments, 0, -1)]

    def history(self, name: str) -> History | None:
        """Return the revisions of an instrument; None if it was never published."""
        key = self._keys.instrument(name)
        number, revision = self._client.hmget(key, ["number", "revision"])
        if number is None or revision is None:
            return None
        forms = self._client.hmget(key, [f"form:{each}" for each in range(1, int(revision) + 1)])
        return History(int(number), int(revision), tuple(int(form or 0) for form in forms))

    def document(self, name: str, revision: int) -> tuple[bytes, str] | None:
        """Return a revision's canonical document and its digest."""
        document, digest = self._client.hmget(
            self._keys.instrument(name), [f"doc:{revision}", f"digest:{revision}"]
        )
        return None if document is None else (document, digest.decode())

    def digest(self, name: str, revision: int) -> str | None:
        """Return the digest of a revision's document; None if the revision does not exist."""
        digest = self._client.hget(self._keys.instrument(name), f"digest:{revision}")
        return None if digest is None else digest.decode()

    def name(self, number: int) -> str | None:
        """Return the name of an instrument by number; None if it does not exist or was removed."""
        name = self._client.hget(self._keys.numbers, number)
        return name.decode() if name else None
