"""Index of compiled forms: one entry per form of an instrument, with the form's newest scoring.

The indexWatcher writes entries with `Index.put`; the API (asyncio) and the resultWatcher cache them in the process.
Entries are derived data: they can be rebuilt from the documents, byte for byte.

A cache is identified by a view: number and random token of the last change that it contains. The token detects a server
that restarted with older data and assigned the number again; the cache is then dropped and read again.
"""

import hashlib
import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import redis
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.domain.errors import CorruptEntry
from stanine.domain.scoring.index import IndexEntry, decode_entry
from stanine.store.keys import Keys, index_field
from stanine.store.views import ask_for_view, belongs, change_number, new_token


class IndexView(msgspec.Struct, frozen=True):
    """Decoded index entries after one change."""

    #: Number and token of that change; empty before the first.
    view: str = ""
    #: The first view of this cache. Views with the same origin agree on every revision that both contain.
    origin: str = ""
    forms: Mapping[str, Mapping[int, IndexEntry]] = {}
    names: Mapping[int, str] = {}
    #: The entry with the newest revision, by instrument; bulk intake reads it once per line.
    latest: Mapping[str, IndexEntry] = {}

    @property
    def change(self) -> int:
        """The number of the last change."""
        return change_number(self.view)

    def changed(self, view: str, entries: Mapping[str, IndexEntry | None]) -> "IndexView":
        """Return the view after changes: entries by field, None for removed ones."""
        forms = {name: {**each} for name, each in self.forms.items()}
        for field, entry in entries.items():
            name, _, form = field.rpartition("/")
            if entry is not None:
                forms.setdefault(entry.name, {})[entry.form] = entry
            elif form.isdecimal():
                forms.get(name, {}).pop(int(form), None)
        forms = {name: each for name, each in forms.items() if each}
        return IndexView(
            view,
            self.origin or view,
            forms,
            {entry.number: name for name, each in forms.items() for entry in each.values()},
            {
                name: max(each.values(), key=lambda entry: entry.revision)
                for name, each in forms.items()
            },
        )

    def newest(self, name: str) -> IndexEntry | None:
        """Return the entry with the newest revision of an instrument."""
        return self.latest.get(name)

    def answered(self, name: str, revision: int) -> IndexEntry | None:
        """Return the entry of the form that a revision has."""
        forms = self.forms.get(name, {})
        return next((entry for entry in forms.values() if entry.has_revision(revision)), None)

    def numbered(self, number: int, revision: int) -> IndexEntry | None:
        """Return the entry that scores attempts at instrument `number` and `revision`."""
        name = self.names.get(number)
        return None if name is None else self.answered(name, revision)


class EntryCache:
    """The current index view of a process. No I/O.

    The view is replaced atomically, so that readers keep a consistent one.
    """

    def __init__(self) -> None:
        self.now = IndexView()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return sum(len(forms) for forms in self.now.forms.values())

    def newest(self, name: str) -> IndexEntry | None:
        """Return the entry of an instrument's newest form."""
        return self._count(self.now.newest(name))

    def answered(self, name: str, revision: int) -> IndexEntry | None:
        """Return the entry of a revision's form."""
        return self._count(self.now.answered(name, revision))

    def numbered(self, number: int, revision: int) -> IndexEntry | None:
        """Return the entry that scores attempts at instrument `number` and `revision`."""
        return self._count(self.now.numbered(number, revision))

    def _count(self, entry: IndexEntry | None) -> IndexEntry | None:
        if entry is None:
            self.misses += 1
        else:
            self.hits += 1
        return entry


class AsyncIndex:
    """The API's cache of the index, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys
        self.entries = EntryCache()

    async def refresh(self) -> list[str]:
        """Read the changes since the last refresh.

        Return the fields of corrupt entries, which are skipped.
        """
        for base in (self.entries.now, IndexView()):
            pipeline = self._client.pipeline(transaction=True)
            _ask(pipeline, self._keys, base)
            last, token, fields = await pipeline.execute()
            if belongs(base.view, token):
                data = await self._client.hmget(self._keys.index, fields) if fields else []
                self.entries.now, corrupt = _changed(base, last, fields, data)
                return corrupt
        raise AssertionError("the empty view belongs to all data")


class Index:
    """The watchers' cache of the index, synchronous; the indexWatcher also writes it."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        self._lock = threading.Lock()
        self.entries = EntryCache()

    def refresh(self, view: str | None = None) -> list[str]:
        """Read the changes since the last refresh, unless `view` is current.

        Return corrupt fields.
        """
        if view is not None and view == self.entries.now.view:
            return []
        with self._lock:
            for base in (self.entries.now, IndexView()):
                pipeline = self._client.pipeline(transaction=True)
                _ask(pipeline, self._keys, base)
                last, token, fields = pipeline.execute()
                if belongs(base.view, token):
                    data = self._client.hmget(self._keys.index, fields) if fields else []
                    self.entries.now, corrupt = _changed(base, last, fields, data)
                    return corrupt
        raise AssertionError("the empty view belongs to all data")

    def read(self, name: str, form: int) -> bytes | None:
        """Return the bytes of an entry."""
        data: bytes | None = self._client.hget(self._keys.index, index_field(name, form))
        return data

    def fields(self) -> list[str]:
        """Return the fields of all entries."""
        return [field.decode() for field in self._client.hkeys(self._keys.index)]

    def put(
        self, name: str, form: int, entry: bytes, digest: str, *, instead_of: bytes | None = None
    ) -> bool:
        """Store an entry unless the stored one is as new; return whether it was stored.

        `instead_of`: a corrupt entry to replace regardless of its header. `digest`: digest of the source document; the
        entry is rejected if its revision has another document on this server.
        """
        corrupt = (
            ""
            if instead_of is None
            else hashlib.sha1(instead_of, usedforsecurity=False).hexdigest()
        )
        args: list[Argument] = [index_field(name, form), entry, corrupt, new_token(), digest]
        return bool(self._library.call(self._client, "put_index", index_keys(self._keys), args))

    def renew_view(self) -> None:
        """Create a view if the token of the last change was lost. Called by the sweep."""
        self._library.call(self._client, "renew_view", index_keys(self._keys), [new_token()])

    def drop(self, field: str) -> None:
        """Remove an entry whose form no longer exists."""
        self._library.call(self._client, "drop_index", index_keys(self._keys), [field, new_token()])


def index_keys(keys: Keys) -> list[str]:
    """Return the KEYS of functions that change the index."""
    return [keys.index, keys.index_changes, keys.index_change, keys.index_history]


def _ask(pipeline: Any, keys: Keys, base: IndexView) -> None:
    pipeline.get(keys.index_change)
    ask_for_view(pipeline, keys, base.view)
    pipeline.zrange(keys.index_changes, base.change + 1, "+inf", byscore=True)


def _changed(
    base: IndexView, last: bytes | None, fields: list[bytes], data: list[bytes | None]
) -> tuple[IndexView, list[str]]:
    view = (last or b"").decode()
    if view == base.view:
        return base, []
    entries: dict[str, IndexEntry | None] = {}
    corrupt = []
    for field, entry in zip(fields, data, strict=True):
        try:
            entries[field.decode()] = None if entry is None else decode_entry(entry)
        except CorruptEntry:
            corrupt.append(field.decode())
    return base.changed(view, entries), corrupt
