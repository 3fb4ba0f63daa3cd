"""Compilation, encoding and decoding of index entries. Others import this through `index`.

An entry is derived from a published document alone, so a rebuild gives the same bytes.
"""

import hashlib
import struct

import msgspec

from stanine.domain.errors import CorruptEntry
from stanine.domain.formulas.tree import Condition
from stanine.domain.instruments.condition_checks import conditions_of
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.record_types import ItemType, Value
from stanine.domain.instruments.records import Instrument, Option, Translation
from stanine.domain.scoring.compiler import ENGINE_VERSION, Plan, compile_plan

#: Revision and engine version, big-endian: the store's functions compare these bytes to find the newer of two entries.
_HEADER = struct.Struct(">IH")
_CHECKSUM_BYTES = 32


class FormAttribute(msgspec.Struct, frozen=True, array_like=True):
    """An attribute of a person."""

    id: str
    title: str | None
    type: str | None
    values: tuple[Value, ...] | None
    labels: tuple[str | None, ...] | None = None
    required: bool = False


class FormOption(msgspec.Struct, frozen=True, array_like=True):
    """One option; its index in its list is the code of the answer."""

    value: Value
    label: str | None
    missing: bool
    exclusive: bool = False


class FormNumber(msgspec.Struct, frozen=True, array_like=True):
    """The range of a Number."""

    low: float
    high: float
    step: float | None = None
    integer: bool = False
    unit: str | None = None
    min_label: str | None = None
    max_label: str | None = None


class FormItem(msgspec.Struct, frozen=True, array_like=True):
    """One item.

    `options` is the index of its options in the entry's option sets (an empty one, if it has none).
    """

    id: str
    text: str
    type: ItemType
    options: int
    required: bool = False
    column: str | None = None
    when: str | None = None
    number: FormNumber | None = None
    min_chosen: int = 0
    max_chosen: int = 0
    max_length: int = 0
    multiline: bool = False
    distinct_from: int | None = None
    #: The response set with its translated options, if they are not its own.
    responses: str | None = None
    #: Indices into the entry's conditions: its section's and its own. All must hold for the item to be shown.
    conditions: tuple[int, ...] = ()
    codes: tuple[tuple[str, str], ...] = ()


class FormSection(msgspec.Struct, frozen=True, array_like=True):
    """Items that are shown together, by their ids."""

    id: str
    items: tuple[str, ...]
    title: str | None = None
    instructions: str | None = None
    when: str | None = None
    time_limit_seconds: int | None = None


class IndexEntry(msgspec.Struct, frozen=True, array_like=True):
    """A form and the plan of its newest revision, for attempts at any revision of the form.

    `form` is the first revision of the form, `revision` the newest; `spans` are all, as first and last of each run.
    """

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
    sections: tuple[FormSection, ...] = ()
    items_per_page: int | None = None
    time_limit_seconds: int | None = None
    duration_minutes: float | None = None
    translations: dict[str, Translation] = {}
    conditions: tuple[Condition, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()

    def has_revision(self, revision: int) -> bool:
        """Return whether a revision has this form."""
        return any(first <= revision <= last for first, last in self.spans)

    @property
    def is_plain(self) -> bool:
        """Whether every item is an always shown, independent Choice; required by the fast paths."""
        return all(
            item.type == "Choice" and not item.conditions and item.distinct_from is None
            for item in self.items
        )


def build_entry(
    instrument: Instrument,
    *,
    number: int,
    revision: int,
    form: int,
    digest: str,
    spans: tuple[tuple[int, int], ...] | None = None,
) -> IndexEntry:
    """Compile an instrument.

    `number`: the store's number of the instrument; `form`: the first revision of its form; `digest`: the document's
    digest; `spans`: the revisions of this form, by default all from `form` to `revision`.
    """
    spec = instrument.spec
    forms, conditions = resolve(spec), conditions_of(spec)
    places = {item: place for place, item in enumerate(forms)}
    sets: dict[tuple[Option, ...], int] = {}
    shared: dict[Condition, int] = {}
    items = []
    for item in spec.items:
        one = forms[item.id]
        numeric = one.type == "Number"
        items.append(
            FormItem(
                item.id,
                item.text,
                one.type,
                sets.setdefault(one.options, len(sets)),
                required=item.required,
                column=item.column,
                when=item.when,
                number=FormNumber(
                    one.low, one.high, one.step, one.integer, one.unit, one.min_label, one.max_label
                )
                if numeric
                else None,
                min_chosen=one.min_chosen,
                max_chosen=one.max_chosen,
                max_length=one.max_length if one.type == "Text" else 0,
                multiline=item.multiline,
                distinct_from=None if item.distinct_from is None else places[item.distinct_from],
                responses=None
                if item.options is not None
                else item.responses or spec.defaults.responses,
                conditions=tuple(
                    shared.setdefault(each, len(shared)) for each in conditions.get(item.id, ())
                ),
                codes=tuple((code.system, code.code) for code in item.codes),
            )
        )
    return IndexEntry(
        name=instrument.metadata.name,
        number=number,
        revision=revision,
        form=form,
        engine=ENGINE_VERSION,
        digest=digest,
        spans=((form, revision),) if spans is None else spans,
        title=spec.title,
        language=spec.language,
        instructions=spec.instructions,
        attributes=tuple(
            FormAttribute(
                one.id,
                one.title,
                one.type,
                None if one.values is None else tuple(value.value for value in one.options),
                tuple(value.label for value in one.options)
                if any(value.label for value in one.options)
                else None,
                one.required,
            )
            for one in spec.attributes
        ),
        option_sets=tuple(
            tuple(FormOption(one.value, one.label, one.missing, one.exclusive) for one in options)
            for options in sets
        ),
        items=tuple(items),
        conditions=tuple(shared),
        plan=compile_plan(instrument),
        sections=tuple(
            FormSection(
                one.id, one.items, one.title, one.instructions, one.when, one.time_limit_seconds
            )
            for one in spec.sections
        ),
        items_per_page=None if spec.layout is None else spec.layout.items_per_page,
        time_limit_seconds=spec.time_limit_seconds,
        duration_minutes=spec.duration_minutes,
        translations={
            language: msgspec.structs.replace(one, scales={}, profiles={})
            for language, one in sorted(spec.translations.items())
        },
    )


def item_forms(entry: IndexEntry) -> tuple[ItemForm, ...]:
    """Return each item's form of an entry."""
    return tuple(_item_form(item, entry.option_sets[item.options]) for item in entry.items)


def _item_form(item: FormItem, options: tuple[FormOption, ...]) -> ItemForm:
    form = ItemForm(
        item.id,
        item.type,
        tuple(Option(one.value, None, one.missing, one.exclusive) for one in options),
        min_chosen=item.min_chosen,
        max_chosen=item.max_chosen,
        max_length=item.max_length,
        conditional=bool(item.conditions),
    )
    if item.number is None:
        return form
    number = item.number
    return msgspec.structs.replace(
        form, low=number.low, high=number.high, step=number.step, integer=number.integer
    )


def encode_entry(entry: IndexEntry) -> bytes:
    """Return an entry's bytes: revision and engine version, a SHA-256 of the rest, MessagePack."""
    header, body = _HEADER.pack(entry.revision, entry.engine), _ENCODER.encode(entry)
    return header + hashlib.sha256(header + body).digest() + body


def decode_entry(data: bytes) -> IndexEntry:
    """Return the entry of encoded bytes.

    Raises CorruptEntry if a bit changed, or another engine wrote them.
    """
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
    """Return whether no bit of an entry changed since it was encoded, by any engine."""
    header, checksum = data[: _HEADER.size], data[_HEADER.size : _HEADER.size + _CHECKSUM_BYTES]
    return hashlib.sha256(header + data[_HEADER.size + _CHECKSUM_BYTES :]).digest() == checksum


def entry_version(data: bytes) -> tuple[int, int]:
    """Return the revision and engine version in an entry's header.

    Raises CorruptEntry if it is too short.
    """
    if len(data) < _HEADER.size + _CHECKSUM_BYTES:
        raise CorruptEntry("it is too short")
    revision, engine = _HEADER.unpack_from(data)
    return revision, engine


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(IndexEntry)
