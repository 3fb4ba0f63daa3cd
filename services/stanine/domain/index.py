"""The index entry: what one form is served and scored from. Built by the index watcher, read by the API and the result watcher.

It is derived from a published document alone, so building it again gives the same bytes.
"""

import hashlib
import struct
from typing import Any

import msgspec

from stanine.domain.errors import CorruptEntry
from stanine.domain.points import Table
from stanine.domain.records import Instrument, Option, Value, options_of
from stanine.domain.scoring import ENGINE_VERSION, Plan, compile_plan

__all__ = [
    "FormAttribute",
    "FormItem",
    "FormOption",
    "IndexEntry",
    "Table",
    "build_entry",
    "decode_entry",
    "encode_entry",
    "entry_version",
    "public_form",
]

#: Revision and engine version, big-endian: the store's functions compare these bytes to tell which of two entries is newer.
_HEADER = struct.Struct(">IH")
_CHECKSUM_BYTES = 32


class FormAttribute(msgspec.Struct, frozen=True, array_like=True):
    """What else may be said of a person."""

    id: str
    title: str | None
    type: str | None
    values: tuple[Value, ...] | None


class FormOption(msgspec.Struct, frozen=True, array_like=True):
    """One option; its place in its list is the code of the answer."""

    value: Value
    label: str | None
    missing: bool


class FormItem(msgspec.Struct, frozen=True, array_like=True):
    """One item; `options` is the place of its options in the entry's option sets."""

    id: str
    text: str
    type: str
    options: int


class IndexEntry(msgspec.Struct, frozen=True, array_like=True):
    """A form, and the plan of its newest scoring: for attempts that answered any revision from `form` to `revision`."""

    name: str
    number: int
    revision: int
    form: int
    engine: int
    digest: str
    title: str
    language: str | None
    instructions: str | None
    attributes: tuple[FormAttribute, ...]
    option_sets: tuple[tuple[FormOption, ...], ...]
    items: tuple[FormItem, ...]
    plan: Plan


def build_entry(instrument: Instrument, *, number: int, revision: int, form: int, digest: str) -> IndexEntry:
    """Compile an instrument. `number` is the store's name for it, `form` the first revision with its form, `digest` the document's."""
    spec = instrument.spec
    options = options_of(spec)
    sets: dict[tuple[Option, ...], int] = {}
    items = tuple(FormItem(item.id, item.text, item.type, sets.setdefault(options[item.id], len(sets))) for item in spec.items)
    return IndexEntry(
        name=instrument.metadata.name,
        number=number,
        revision=revision,
        form=form,
        engine=ENGINE_VERSION,
        digest=digest,
        title=spec.title,
        language=spec.language,
        instructions=spec.instructions,
        attributes=tuple(FormAttribute(one.id, one.title, one.type, one.values) for one in spec.attributes),
        option_sets=tuple(tuple(FormOption(one.value, one.label, one.missing) for one in options) for options in sets),
        items=items,
        plan=compile_plan(instrument),
    )


def encode_entry(entry: IndexEntry) -> bytes:
    """Return an entry's bytes: revision and engine version, a SHA-256 of all the rest, MessagePack."""
    header, body = _HEADER.pack(entry.revision, entry.engine), _ENCODER.encode(entry)
    return header + hashlib.sha256(header + body).digest() + body


def decode_entry(data: bytes) -> IndexEntry:
    """Return the entry that bytes hold. Raises CorruptEntry if a bit of them changed, or another engine wrote them."""
    if not is_intact(data):
        raise CorruptEntry("the checksum does not match")
    _, engine = _HEADER.unpack_from(data)
    if engine != ENGINE_VERSION:
        raise CorruptEntry(f"engine {engine} wrote it; this is engine {ENGINE_VERSION}")
    try:
        return _DECODER.decode(data[_HEADER.size + _CHECKSUM_BYTES :])
    except msgspec.MsgspecError as error:
        raise CorruptEntry(f"it does not hold an entry: {error}") from None


def is_intact(data: bytes) -> bool:
    """Tell whether no bit of an entry changed since it was encoded, by whichever engine."""
    header, checksum = data[: _HEADER.size], data[_HEADER.size : _HEADER.size + _CHECKSUM_BYTES]
    return hashlib.sha256(header + data[_HEADER.size + _CHECKSUM_BYTES :]).digest() == checksum


def entry_version(data: bytes) -> tuple[int, int]:
    """Return the revision and engine version in an entry's header. Raises CorruptEntry if it is too short to have one."""
    if len(data) < _HEADER.size + _CHECKSUM_BYTES:
        raise CorruptEntry("it is too short")
    revision, engine = _HEADER.unpack_from(data)
    return revision, engine


def public_form(entry: IndexEntry) -> dict[str, Any]:
    """Return what a participant may see, as plain data in camelCase: no scales, keys or bands, nothing of how an answer counts."""
    return _without_nothing(
        {
            "name": entry.name,
            "revision": entry.revision,
            "form": entry.form,
            "title": entry.title,
            "language": entry.language,
            "instructions": entry.instructions,
            "attributes": [
                _without_nothing({"id": one.id, "title": one.title, "type": one.type, "values": one.values and list(one.values)})
                for one in entry.attributes
            ],
            "items": [
                {
                    "id": item.id,
                    "text": item.text,
                    "type": item.type,
                    "options": [_without_nothing({"value": one.value, "label": one.label}) for one in entry.option_sets[item.options]],
                }
                for item in entry.items
            ],
        }
    )


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(IndexEntry)
