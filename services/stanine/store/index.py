"""Index entries: what is served and scored from, one for every form of every instrument, holding that form's newest scoring.

The indexWatcher writes them through IndexWriter; the API (asyncio) and the resultWatcher follow them with a cache in the process.
They are derived: whatever is lost is built again from the documents, byte for byte the same.
"""

import hashlib
import threading
from typing import Any

import redis
import redis.asyncio

from stanine.connection.library import Library
from stanine.domain.errors import CorruptEntry
from stanine.domain.index import IndexEntry, decode_entry
from stanine.store.keys import Keys, index_field


class EntryCache:
    """Decoded index entries by instrument: which one an attempt belongs to. No I/O."""

    def __init__(self) -> None:
        self.change = -1
        self.hits = 0
        self.misses = 0
        self._entries: dict[str, dict[int, IndexEntry]] = {}
        self._names: dict[int, str] = {}

    def __len__(self) -> int:
        return sum(len(forms) for forms in self._entries.values())

    def put(self, entry: IndexEntry) -> None:
        """Take in an entry."""
        self._entries.setdefault(entry.name, {})[entry.form] = entry
        self._names[entry.number] = entry.name

    def clear(self) -> None:
        """Forget everything: the server's index is another one now."""
        self._entries.clear()
        self._names.clear()

    def forget(self, field: str) -> None:
        """Forget the entry of a field: it was removed."""
        name, _, form = field.rpartition("/")
        forms = self._entries.get(name)
        if forms is None or not form.isdecimal() or int(form) not in forms:
            return
        number = forms.pop(int(form)).number
        if not forms:
            del self._entries[name]
            self._names.pop(number, None)

    def newest(self, name: str) -> IndexEntry | None:
        """Return the entry of the newest form of an instrument."""
        forms = self._entries.get(name)
        return self._count(forms[max(forms)] if forms else None)

    def answered(self, name: str, revision: int) -> IndexEntry | None:
        """Return the entry of the form that a revision has: it covers the revisions from its form's first to its own."""
        forms = self._entries.get(name, {})
        return self._count(next((entry for form, entry in forms.items() if form <= revision <= entry.revision), None))

    def numbered(self, number: int, revision: int) -> IndexEntry | None:
        """Return the entry that an attempt of instrument `number` and `revision` is scored by."""
        name = self._names.get(number)
        return self._count(None) if name is None else self.answered(name, revision)

    def _count(self, entry: IndexEntry | None) -> IndexEntry | None:
        if entry is None:
            self.misses += 1
        else:
            self.hits += 1
        return entry


class AsyncIndex:
    """The API's view of the index: a cache, refreshed when the number of the last change has moved."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys
        self.entries = EntryCache()

    async def refresh(self) -> list[str]:
        """Take in what has changed; return the fields of entries that are corrupt (the sweep mends them) and were left out."""
        cache = self.entries
        change = int(await self._client.get(self._keys.index_change) or 0)
        if change == cache.change:
            return []
        if change < cache.change:
            cache.clear()
            cache.change = -1
        fields = await self._client.zrange(self._keys.index_changes, cache.change + 1, change, byscore=True)
        data = await self._client.hmget(self._keys.index, fields) if fields else []
        corrupt = _take_in(cache, fields, data)
        cache.change = change
        return corrupt


class Index:
    """The watchers' view of the index, without asyncio; the indexWatcher also writes it."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        self._lock = threading.Lock()
        self.entries = EntryCache()

    def refresh(self, change: int | None = None) -> list[str]:
        """Take in what has changed, unless `change`, read along with something else, says that nothing has; return corrupt fields."""
        cache = self.entries
        with self._lock:
            if change is None or change < cache.change:
                # A number below ours may only be old: another thread has refreshed since it was read. Only the server knows.
                change = int(self._client.get(self._keys.index_change) or 0)
            if change == cache.change:
                return []
            if change < cache.change:
                cache.clear()
                cache.change = -1
            fields = self._client.zrange(self._keys.index_changes, cache.change + 1, change, byscore=True)
            data = self._client.hmget(self._keys.index, fields) if fields else []
            corrupt = _take_in(cache, fields, data)
            cache.change = change
            return corrupt

    def read(self, name: str, form: int) -> bytes | None:
        """Return the bytes of an entry."""
        data: bytes | None = self._client.hget(self._keys.index, index_field(name, form))
        return data

    def fields(self) -> list[str]:
        """Return the fields of all entries there are."""
        return [field.decode() for field in self._client.hkeys(self._keys.index)]

    def put(self, name: str, form: int, entry: bytes, *, instead_of: bytes | None = None) -> bool:
        """Store an entry unless what is there is as new; a corrupt one, given as `instead_of`, is replaced whatever it claims.

        Returns whether it was stored.
        """
        corrupt = "" if instead_of is None else hashlib.sha1(instead_of, usedforsecurity=False).hexdigest()
        keys = [self._keys.index, self._keys.index_changes, self._keys.index_change]
        return bool(self._library.call(self._client, "put_index", keys, [index_field(name, form), entry, corrupt]))

    def drop(self, field: str) -> None:
        """Remove an entry that no form of any instrument stands for; whoever has it forgets it."""
        keys = [self._keys.index, self._keys.index_changes, self._keys.index_change]
        self._library.call(self._client, "drop_index", keys, [field])


def _take_in(cache: EntryCache, fields: list[bytes], data: list[bytes | None]) -> list[str]:
    corrupt = []
    for field, entry in zip(fields, data, strict=True):
        if entry is None:
            cache.forget(field.decode())
            continue
        try:
            cache.put(decode_entry(entry))
        except CorruptEntry:
            corrupt.append(field.decode())
    return corrupt
