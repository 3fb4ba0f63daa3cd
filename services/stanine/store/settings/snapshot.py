"""Snapshot of the stored settings, independent of layout and writer. Pure.

The active layout is the hash if it exists, otherwise the layout chosen last, otherwise the string if it exists.

While both layouts are written (dual write), an older service may change the string without the hash. The digest of the
string reveals it. Its changes since the current revision are merged; a setting that has changed in the hash as well keeps
the value of the hash.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from stanine.broker.connection.ownership import Owner, read_owner
from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import SettingsRead, read_settings
from stanine.store.settings.string_layout import EMPTY, RawValue, read_string

#: Bytes from which a history entry is compressed: 50 revisions of 1,000 settings take 0.25 MB instead of 1.3 MB, and
#: small entries stay readable in redis-cli.
COMPRESS_FROM = 1024
#: Prefix of compressed settings; JSON never starts with it.
COMPRESSED = b"\0zlib"


class SettingsLayout(StrEnum):
    """Where the settings are stored: in a hash, or in the string of an older service."""

    HASH = "Hash"
    STRING = "String"


class LegacySyncState(StrEnum):
    """State of the string relative to the hash."""

    #: The string does not exist and is not required, or it is the only layout.
    NONE = "None"
    IN_STEP = "InStep"
    #: Another program has changed the string, made it unreadable, or deleted it.
    CHANGED = "Changed"
    UNREADABLE = "Unreadable"
    MISSING = "Missing"
    #: The string exists without dual write: an older service may read it, so it is not changed.
    STRAY = "Stray"


class Origin(StrEnum):
    """How a revision was created."""

    #: Another program changed the configuration; the next change recorded it.
    FOUND = "Found"
    APPLIED = "Applied"
    ROLLED_BACK = "RolledBack"


class Revision(msgspec.Struct, frozen=True):
    """History entry; `at_ms` by the server's clock, `of` the revision that a rollback restored."""

    number: int
    at_ms: int
    by: str
    origin: Origin
    of: int
    raw: RawValue

    @property
    def values(self) -> dict[str, str]:
        """All values by name, including those of other programs."""
        return self.raw.values()


class Meta(msgspec.Struct, frozen=True):
    """State after the last change made here: revision, layout, digests of the values and of the string."""

    revision: int = 0
    digest: str = ""
    layout: SettingsLayout | None = None
    dual: bool = False
    string: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """The stored settings: one atomic read, with the values and states derived from it."""

    #: Digest of everything read, compared before a change is written.
    token: bytes
    text: bytes | None
    fields: dict[str, str]
    meta: Meta
    #: History entry of the current revision.
    record: Revision | None
    #: The custom resource that owns the settings.
    managed_by: Owner | None
    layout: SettingsLayout
    #: Values by name, including those of other programs.
    values: dict[str, str]
    #: How the string layout is written.
    raw: RawValue
    #: Whether the values differ from the current revision.
    edited: bool
    string: LegacySyncState
    #: Why the string cannot be read; empty if it can.
    unreadable: str

    @property
    def revision(self) -> int:
        """The current revision; 0 before the first change."""
        return self.meta.revision

    @property
    def read(self) -> SettingsRead:
        """The settings in effect, invalid values, and the names that have a stored value."""
        return read_settings({name: readable(text) for name, text in self.values.items()})


def take_snapshot(
    token: bytes,
    text: bytes | None,
    fields: dict[str, str],
    meta: Meta,
    record: Revision | None = None,
    owner: Owner | None = None,
) -> Snapshot:
    """Derive the settings from the stored state; an unreadable string is reported, never raised."""
    raw, unreadable = EMPTY, ""
    if text is not None:
        try:
            raw = read_string(text)
        except StringUnreadableError as error:
            unreadable = error.detail
    known = record.raw if record is not None else EMPTY
    layout = _active_layout(text, fields, meta)
    if layout is SettingsLayout.STRING and not fields:
        string, values = LegacySyncState.NONE, raw.values()
        edited = not unreadable and string_digest(text) != meta.string
        is_raw_current = bool(text) and not unreadable
    else:
        string, values = _string_state(text, meta, unreadable), fields
        if string is LegacySyncState.CHANGED:
            values = _merge(known.values(), fields, raw.values())
        edited = digest_of(values) != meta.digest or string is LegacySyncState.CHANGED
        is_raw_current = string in {LegacySyncState.IN_STEP, LegacySyncState.CHANGED}
    raw = raw if is_raw_current else known
    return Snapshot(
        token, text, fields, meta, record, owner, layout, values, raw, edited, string, unreadable
    )


def digest_of(values: Mapping[str, str]) -> str:
    """Return the order-independent digest that the Redis Function computes; empty for no values."""
    if not values:
        return ""
    each = []
    for name, text in values.items():
        raw = raw_bytes(name)
        each.append(_sha1(b"%d:%b%b" % (len(raw), raw, raw_bytes(text))))
    return _sha1("".join(sorted(each)).encode())


def string_digest(text: bytes | None) -> str:
    """Return the digest of the string layout; empty if there is no string."""
    return "" if text is None else _sha1(text)


def raw_bytes(text: str) -> bytes:
    """Return the stored bytes of a text."""
    return text.encode(errors="surrogateescape")


def readable(text: str) -> str:
    """Return a text for display, with bytes that are not UTF-8 as escapes."""
    return raw_bytes(text).decode(errors="backslashreplace")


def read_snapshot(reply: Sequence[Any]) -> Snapshot:
    """Parse the reply of the Redis Function `see`."""
    token, text, fields, meta, record, owner = reply
    values = {
        name.decode(errors="surrogateescape"): value.decode(errors="surrogateescape")
        for name, value in _pairs(fields)
    }
    stated = {name.decode(): value.decode() for name, value in _pairs(meta) if value}
    known = msgspec.convert(stated, Meta, strict=False)
    revision = None if record is None else read_record(known.revision, record)
    return take_snapshot(
        token, text, values, known, revision, None if owner is None else read_owner(owner)
    )


def write_meta(meta: Meta) -> list[bytes]:
    """Return the fields that `read_snapshot` parses."""
    texts = {
        "revision": str(meta.revision),
        "digest": meta.digest,
        "layout": meta.layout or "",
        "dual": "1" if meta.dual else "",
        "string": meta.string,
    }
    return [part.encode() for pair in texts.items() for part in pair]


def read_record(number: int, record: bytes) -> Revision:
    """Parse a history entry: time, one line of JSON, settings in the string layout or COMPRESSED."""
    at, head, text = record.split(b"\n", 2)
    if text.startswith(COMPRESSED):
        text = zlib.decompress(text[len(COMPRESSED) :])
    read = msgspec.json.decode(head)
    raw = read_string(text, any_bytes=True)
    return Revision(number, int(at), read["by"], Origin(read["origin"]), read["of"], raw)


def write_record(by: str, origin: Origin, of: int, text: bytes) -> bytes:
    """Return a history entry without its time, which the server prepends."""
    if len(text) > COMPRESS_FROM:
        text = COMPRESSED + zlib.compress(text)
    return msgspec.json.encode({"by": by, "origin": origin, "of": of}) + b"\n" + text


def _active_layout(text: bytes | None, fields: Mapping[str, str], meta: Meta) -> SettingsLayout:
    if fields:
        return (
            SettingsLayout.STRING
            if meta.dual and meta.layout is SettingsLayout.STRING
            else SettingsLayout.HASH
        )
    if meta.layout is not None:
        return meta.layout
    return SettingsLayout.HASH if text is None else SettingsLayout.STRING


def _string_state(text: bytes | None, meta: Meta, unreadable: str) -> LegacySyncState:
    if text is None:
        return LegacySyncState.MISSING if meta.dual else LegacySyncState.NONE
    if not meta.dual:
        return LegacySyncState.STRAY
    if string_digest(text) == meta.string:
        return LegacySyncState.IN_STEP
    return LegacySyncState.UNREADABLE if unreadable else LegacySyncState.CHANGED


def _merge(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[str, str]:
    """Return a three-way merge in which `ours` wins conflicts."""
    merged = dict(ours)
    for name in base.keys() | theirs.keys():
        if theirs.get(name) != base.get(name) and ours.get(name) == base.get(name):
            if name in theirs:
                merged[name] = theirs[name]
            else:
                del merged[name]
    return merged


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 - available in Redis' Lua; detects changes, no security purpose
