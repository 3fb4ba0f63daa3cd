"""What stands in Redis: what one look at the keys comes to, whatever layout they are in and whoever wrote them. Pure.

Which layout counts: the hash, wherever there is one; without, the layout that was last chosen, and if none ever was, the string.

While both are written (dual), an older service may change the string, knowing nothing of the hash. That is seen by the string's digest,
and its changes since the present revision count as changes of the configuration, except where the hash has changed as well.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from stanine.broker.connection.ownership import Manager, read_manager
from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.string_layout import EMPTY, RawValue, read_string

#: Bytes of settings from which an entry of the history is compressed: what people look at by hand stays readable, and fifty revisions of a
#: thousand settings take a quarter of a megabyte instead of 1.3.
COMPRESS_FROM = 1024
#: How compressed settings begin; no JSON does.
COMPRESSED = b"\0zlib"


class Layout(StrEnum):
    """Where the settings lie: in a hash, or in a string as an older service keeps them."""

    HASH = "Hash"
    STRING = "String"


class LegacySyncState(StrEnum):
    """How the string is beside the hash."""

    #: There is none, and need not be; or it is the layout itself.
    NONE = "None"
    IN_STEP = "InStep"
    #: Somebody else has written it, has written what cannot be read, or has deleted it.
    CHANGED = "Changed"
    UNREADABLE = "Unreadable"
    MISSING = "Missing"
    #: It is there although only the hash is to be: an older service may go by it. It is left alone.
    STRAY = "Stray"


class Origin(StrEnum):
    """How a revision came about."""

    #: Somebody else changed the configuration (by hand, or a service of the older layout); it was noticed at the next change.
    FOUND = "Found"
    APPLIED = "Applied"
    ROLLED_BACK = "RolledBack"


class Revision(msgspec.Struct, frozen=True):
    """An entry of the history: which it is, when it was written (ms by the server's clock), by whom, how, and of which one it is a copy."""

    number: int
    at_ms: int
    by: str
    origin: Origin
    of: int
    spelling: RawValue

    @property
    def values(self) -> dict[str, str]:
        """The settings' texts by name, those of other programs included."""
        return self.spelling.values()


class _RecordHead(msgspec.Struct, frozen=True):
    by: str
    origin: Origin
    of: int


class Meta(msgspec.Struct, frozen=True):
    """What was last written here: the revision, digests of its values and its string, and how they are to lie."""

    revision: int = 0
    digest: str = ""
    layout: Layout | None = None
    dual: bool = False
    string: str = ""


class Seen(msgspec.Struct, frozen=True):
    """One look, atomic. `token` stands for all of it."""

    token: bytes
    text: bytes | None
    fields: dict[str, str]
    meta: Meta
    record: Revision | None
    #: Who manages the configuration at this moment.
    holder: Manager | None


class Standing(msgspec.Struct, frozen=True):
    """What a look comes to. `edited`: it differs from what the present revision was. `unreadable`: why the string cannot be read."""

    layout: Layout
    values: dict[str, str]
    spelling: RawValue
    edited: bool
    beside: LegacySyncState
    unreadable: str = ""


def judge(seen: Seen) -> Standing:
    """Return what stands; never raises: a string that cannot be read has no values."""
    meta, text = seen.meta, seen.text
    spelling, unreadable = EMPTY, ""
    if text is not None:
        try:
            spelling = read_string(text)
        except StringUnreadableError as error:
            unreadable = error.why
    layout = _layout(seen)
    known = seen.record.spelling if seen.record is not None else EMPTY
    if layout is Layout.STRING and not seen.fields:
        edited = not unreadable and string_digest(text) != meta.string
        return Standing(
            layout,
            spelling.values(),
            spelling if text and not unreadable else known,
            edited,
            LegacySyncState.NONE,
            unreadable,
        )
    beside = _beside(seen, unreadable)
    values = seen.fields
    if beside is LegacySyncState.CHANGED:
        values = _merge(known.values(), seen.fields, spelling.values())
    edited = digest_of(values) != meta.digest or beside is LegacySyncState.CHANGED
    in_use = beside in {LegacySyncState.IN_STEP, LegacySyncState.CHANGED}
    return Standing(layout, values, spelling if in_use else known, edited, beside, unreadable)


def digest_of(values: Mapping[str, str]) -> str:
    """Return the digest of settings, whatever their order; as the Redis Function makes it. Of none, the empty text."""
    if not values:
        return ""
    each = []
    for name, text in values.items():
        raw = raw_bytes(name)
        each.append(_sha1(b"%d:%b%b" % (len(raw), raw, raw_bytes(text))))
    return _sha1("".join(sorted(each)).encode())


def string_digest(text: bytes | None) -> str:
    """Return the digest of the string layout; of none, the empty text."""
    return "" if text is None else _sha1(text)


def raw_bytes(text: str) -> bytes:
    """Return what lies in Redis for a text."""
    return text.encode(errors="surrogateescape")


def readable(text: str) -> str:
    """Return a text as people may see it: bytes that are no UTF-8 as escapes."""
    return raw_bytes(text).decode(errors="backslashreplace")


def read_seen(reply: Sequence[Any]) -> Seen:
    """Read the answer of the Redis Function `see`."""
    token, text, fields, meta, record, holder = reply
    values = {
        name.decode(errors="surrogateescape"): value.decode(errors="surrogateescape")
        for name, value in _pairs(fields)
    }
    known = _read_meta({name.decode(): value.decode() for name, value in _pairs(meta)})
    revision = None if record is None else read_record(known.revision, record)
    return Seen(
        token, text, values, known, revision, None if holder is None else read_manager(holder)
    )


def write_meta(meta: Meta) -> list[bytes]:
    """Return the fields that `read_seen` reads again."""
    texts = {
        "revision": str(meta.revision),
        "digest": meta.digest,
        "layout": meta.layout or "",
        "dual": "1" if meta.dual else "",
        "string": meta.string,
    }
    return [part.encode() for pair in texts.items() for part in pair]


def read_record(number: int, record: bytes) -> Revision:
    """Read an entry of the history: its time, a line of JSON, the settings as the string layout has them or as COMPRESSED."""
    at, head, text = record.split(b"\n", 2)
    if text.startswith(COMPRESSED):
        text = zlib.decompress(text[len(COMPRESSED) :])
    read = msgspec.json.decode(head, type=_RecordHead)
    return Revision(
        number, int(at), read.by, read.origin, read.of, read_string(text, any_bytes=True)
    )


def write_record(by: str, origin: Origin, of: int, text: bytes) -> bytes:
    """Return an entry of the history; the server puts its time before it."""
    if len(text) > COMPRESS_FROM:
        text = COMPRESSED + zlib.compress(text)
    return msgspec.json.encode(_RecordHead(by, origin, of)) + b"\n" + text


def _layout(seen: Seen) -> Layout:
    if seen.fields:
        return (
            Layout.STRING if seen.meta.dual and seen.meta.layout is Layout.STRING else Layout.HASH
        )
    if seen.meta.layout is not None:
        return seen.meta.layout
    return Layout.HASH if seen.text is None else Layout.STRING


def _beside(seen: Seen, unreadable: str) -> LegacySyncState:
    if seen.text is None:
        return LegacySyncState.MISSING if seen.meta.dual else LegacySyncState.NONE
    if not seen.meta.dual:
        return LegacySyncState.STRAY
    if string_digest(seen.text) == seen.meta.string:
        return LegacySyncState.IN_STEP
    return LegacySyncState.UNREADABLE if unreadable else LegacySyncState.CHANGED


def _merge(
    base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[str, str]:
    """Return ours with what they changed, except where ours has changed as well."""
    merged = dict(ours)
    for name in base.keys() | theirs.keys():
        if theirs.get(name) != base.get(name) and ours.get(name) == base.get(name):
            if name in theirs:
                merged[name] = theirs[name]
            else:
                del merged[name]
    return merged


def _read_meta(fields: Mapping[str, str]) -> Meta:
    return Meta(
        revision=int(fields.get("revision", 0)),
        digest=fields.get("digest", ""),
        layout=Layout(fields["layout"]) if fields.get("layout") else None,
        dual=fields.get("dual") == "1",
        string=fields.get("string", ""),
    )


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 - what Redis' Lua has; it finds changes, it does not keep anybody out
