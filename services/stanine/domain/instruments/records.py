"""The records of an instrument document (DESIGN 4.1).

Created by `instrument.parse_instrument` only, which also makes the checks that types cannot express. The scales are in
`scale_records`, the types of fields in `record_types`.
"""

from typing import Annotated, Literal

from msgspec import Meta

from stanine.domain import limits
from stanine.domain.instruments.record_types import (
    Codes,
    Count,
    DnsLabel,
    Expression,
    Id,
    ItemType,
    Language,
    Line,
    Method,
    Number,
    Passage,
    Record,
    Seconds,
    Title,
    Value,
    Whole,
)
from stanine.domain.instruments.resource_records import RedisConfigRef, RescoreRequest
from stanine.domain.instruments.scale_records import (
    Band,
    Bands,
    Interval,
    NormGroup,
    Profile,
    Report,
    Scale,
    Standard,
)

__all__ = [
    "Attribute", "AttributeOption", "Band", "Defaults", "Instrument", "Item", "Layout", "Metadata", "Method", "Option", "Record",
    "RedisConfigRef", "RescoreRequest", "ResponseSet", "Scale", "Section", "Spec", "Translation", "Value", "Whole", "options_of",
]  # fmt: skip


class Metadata(Record, frozen=True):
    """The document's name.

    The rest is what Kubernetes users add; it is not part of the instrument.
    """

    #: The instrument's name.
    name: DnsLabel
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class AttributeOption(Record, frozen=True):
    """A value of an attribute, with what people read for it."""

    #: What an attempt holds.
    value: Value
    #: What people read.
    label: Line | None = None


class Attribute(Record, frozen=True):
    """What else is known of a person: of a type, or one of a list of values."""

    #: The attribute's id, which answers, conditions and `where` name it by.
    id: Id
    #: What people are asked.
    title: Title | None = None
    #: What its value is. Either type or values is needed.
    type: Literal["Integer", "Number", "Text"] | None = None
    #: The values it may have: numbers or texts, or such with labels.
    values: (
        Annotated[
            tuple[Value | AttributeOption, ...], Meta(min_length=1, max_length=limits.MAX_VALUES)
        ]
        | None
    ) = None
    #: Whether pages go on only once it is known. Default: false.
    required: bool = False

    @property
    def options(self) -> tuple[AttributeOption, ...]:
        """The permitted values, each as a record; none for an attribute with a type."""
        return tuple(
            one if isinstance(one, AttributeOption) else AttributeOption(one)
            for one in self.values or ()
        )


class Option(Record, frozen=True):
    """One of the answers that an item offers; `missing` ones are stored as answered and scored as missing."""

    #: What an answer holds: a number or a text. Items are scored by numbers, or by a scale's key or points.
    value: Value
    #: What people read.
    label: Line | None = None
    #: Whether choosing it counts as no answer: stored as answered, scored as missing. Default: false.
    missing: bool = False
    #: Whether it is chosen alone, where several may be chosen. Default: false.
    exclusive: bool = False


Options = Annotated[tuple[Option, ...], Meta(min_length=1, max_length=limits.MAX_OPTIONS)]
Step = Annotated[float, Meta(ge=limits.SMALLEST_NUMBER, le=limits.LARGEST_NUMBER)]


class ResponseSet(Record, frozen=True):
    """What several items offer: options, or a number."""

    #: The name that items use it by.
    name: Id
    #: The options, in the order shown.
    options: Options | None = None
    #: Number: the answers are numbers from min to max.
    type: Literal["Choice", "Number"] | None = None
    #: The lowest answer.
    min: Number | None = None
    #: The highest answer.
    max: Number | None = None
    #: The distance between two answers, from min on. Default: any number.
    step: Step | None = None
    #: Whether answers are whole numbers. Default: false.
    integer: bool = False
    #: What the number counts.
    unit: Title | None = None
    #: What people read at the lowest answer.
    min_label: Line | None = None
    #: What people read at the highest answer.
    max_label: Line | None = None


class Item(Record, frozen=True):
    """One question.

    Its options are its own, or those of the response set that it or `defaults` names.
    """

    #: The item's id, which answers and scales name it by.
    id: Id
    #: What people read.
    text: Line
    #: What is asked for. Default: Choice, or Number if its response set is one.
    type: ItemType | None = None
    #: The response set whose options it offers. Default: defaults.responses.
    responses: Id | None = None
    #: Options of its own, in the order shown.
    options: Options | None = None
    #: Of a Number: the lowest answer.
    min: Number | None = None
    #: Of a Number: the highest answer.
    max: Number | None = None
    #: Of a Number: the distance between two answers, from min on. Default: any number.
    step: Step | None = None
    #: Of a Number: whether answers are whole numbers. Default: false.
    integer: bool = False
    #: Of a Number: what it counts.
    unit: Title | None = None
    #: Of a Number: what people read at the lowest answer.
    min_label: Line | None = None
    #: Of a Number: what people read at the highest answer.
    max_label: Line | None = None
    #: Of a Multiple: the fewest options chosen. Default: 0.
    min_chosen: Count | None = None
    #: Of a Multiple: the most options chosen. Default: all.
    max_chosen: Count | None = None
    #: Of a Text: the most characters. Default: 1000.
    max_length: Annotated[int, Meta(ge=1, le=limits.MAX_TEXT)] | None = None
    #: Of a Text: whether pages offer several lines. Default: false.
    multiline: bool = False
    #: Whether pages go on only once it is answered; no part of scoring. Default: false.
    required: bool = False
    #: The condition, over earlier items and attributes, under which it is shown. Default: always.
    when: Expression | None = None
    #: Another Choice with the same options: the same option is refused.
    distinct_from: Id | None = None
    #: The column of response files. Default: the item's id.
    column: Title | None = None
    #: Codes of the item in systems of terms.
    codes: Codes = ()


class Section(Record, frozen=True):
    """Items that are shown under one title, or under one condition."""

    #: The section's id, which translations name it by.
    id: Id
    #: Its items, in the order of the form.
    items: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=limits.MAX_ITEMS)]
    #: What people read above the items.
    title: Title | None = None
    #: What people read before the items.
    instructions: Passage | None = None
    #: The condition, over earlier items and attributes, under which its items are shown. Default: always.
    when: Expression | None = None
    #: Seconds that people have for it.
    time_limit_seconds: Seconds | None = None


class Layout(Record, frozen=True):
    """How pages show the items."""

    #: Items of one page.
    items_per_page: Annotated[int, Meta(ge=1, le=limits.MAX_ITEMS)] | None = None


class Defaults(Record, frozen=True):
    """What items and scales have that do not say otherwise; never what decides about missing answers."""

    #: The response set of items that name none.
    responses: Id | None = None
    #: How scales that do not say so are scored.
    score: Method | None = None
    #: The standard scores of scales with norms.
    standard: Annotated[tuple[Standard, ...], Meta(max_length=len(Standard.__args__))] | None = None
    #: The unit of bands, standard error and interval of scales with norms.
    report: Report | None = None
    #: The interval of scales with norms.
    interval: Interval | None = None
    #: The bands of scales that have none of their own.
    bands: Bands | dict[Id, Bands] | None = None


class AttributeWords(Record, frozen=True):
    """An attribute in another language."""

    #: What people are asked.
    title: Title | None = None
    #: What people read for a value, by the value as text.
    values: dict[str, Line] = {}


class SectionWords(Record, frozen=True):
    """A section in another language."""

    #: What people read above the items.
    title: Title | None = None
    #: What people read before the items.
    instructions: Passage | None = None


class BandWords(Record, frozen=True):
    """A band in another language."""

    #: What people read.
    label: Line | None = None
    #: What belonging to the band means.
    text: Passage | None = None


class ScaleWords(Record, frozen=True):
    """A scale in another language."""

    #: What people read.
    title: Title | None = None
    #: Its bands, by their ids.
    bands: dict[Id, BandWords] = {}


class ProfileWords(Record, frozen=True):
    """A profile in another language."""

    #: What people read.
    title: Title | None = None
    #: What people read of a code, by the code.
    texts: dict[str, BandWords] = {}


class NumberWords(Record, frozen=True):
    """The words of a Number in another language."""

    #: What the number counts.
    unit: Title | None = None
    #: What people read at the lowest answer.
    min_label: Line | None = None
    #: What people read at the highest answer.
    max_label: Line | None = None


class Translation(Record, frozen=True):
    """The texts in another language; what is left out falls back to the document's own."""

    #: The instrument's title.
    title: Title | None = None
    #: What people read before the first item.
    instructions: Passage | None = None
    #: What people read of an item, by its id.
    items: dict[Id, Line] = {}
    #: The labels of options, by response set or item, then by the value as text.
    options: dict[Id, dict[str, Line]] = {}
    #: The words of a Number, by response set or item.
    numbers: dict[Id, NumberWords] = {}
    #: Attributes, by their ids.
    attributes: dict[Id, AttributeWords] = {}
    #: Sections, by their ids.
    sections: dict[Id, SectionWords] = {}
    #: Scales, by their ids.
    scales: dict[Id, ScaleWords] = {}
    #: Profiles, by their ids.
    profiles: dict[Id, ProfileWords] = {}


class Spec(Record, frozen=True, kw_only=True):
    """The instrument itself."""

    #: The instrument's title.
    title: Title
    #: The language of its texts, as a tag (BCP 47) such as "en" or "pt-BR".
    language: Language | None = None
    #: What it measures, as you sort instruments.
    category: Title | None = None
    #: Under which terms it may be used.
    licence: Title | None = None
    #: Where the items come from.
    source: Line | None = None
    #: How long it takes.
    duration_minutes: Annotated[float, Meta(ge=0, le=1440)] | None = None
    #: What people read before the first item.
    instructions: Passage | None = None
    #: Days that attempts are kept. Default: without end.
    retention_days: Annotated[int, Meta(ge=1, le=limits.MAX_RETENTION_DAYS)] | None = None
    #: Seconds that people have for the whole.
    time_limit_seconds: Seconds | None = None
    #: Codes of the instrument in systems of terms.
    codes: Codes = ()
    #: What else is known of a person.
    attributes: Annotated[tuple[Attribute, ...], Meta(max_length=limits.MAX_ATTRIBUTES)] = ()
    #: What several items offer.
    response_sets: Annotated[tuple[ResponseSet, ...], Meta(max_length=limits.MAX_ITEMS)] = ()
    #: The questions, in the order shown.
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=limits.MAX_ITEMS)]
    #: Items that stand together; if there are any, each item is in one.
    sections: Annotated[tuple[Section, ...], Meta(max_length=limits.MAX_SECTIONS)] = ()
    #: How pages show the items.
    layout: Layout | None = None
    #: People that scores are compared with; the first that matches counts.
    norm_groups: Annotated[tuple[NormGroup, ...], Meta(max_length=limits.MAX_NORM_GROUPS)] = ()
    #: What items and scales have that do not say otherwise.
    defaults: Defaults = Defaults()
    #: The scores.
    scales: Annotated[tuple[Scale, ...], Meta(min_length=1, max_length=limits.MAX_SCALES)]
    #: The highest of several scales.
    profiles: Annotated[tuple[Profile, ...], Meta(max_length=limits.MAX_PROFILES)] = ()
    #: The texts in other languages, by language tag.
    translations: Annotated[
        dict[Language, Translation], Meta(max_length=limits.MAX_TRANSLATIONS)
    ] = {}
    #: The RedisConfig that says where to publish. Cannot be changed. Default: the one named default.
    redis_config_ref: RedisConfigRef | None = None
    #: What happens in Redis when this resource is deleted: Retain keeps everything, Delete removes the instrument
    #: unless it has attempts. Default: Retain.
    deletion_policy: Literal["Retain", "Delete"] | None = None
    #: Scores all attempts again by the newest scoring of their form, once per token.
    rescore: RescoreRequest | None = None


class Instrument(Record, frozen=True):
    """One revision of a questionnaire with its scoring, as published."""

    api_version: Literal["stanine.dev/v1alpha1"]
    kind: Literal["Instrument"]
    metadata: Metadata
    spec: Spec


def options_of(spec: Spec) -> dict[str, tuple[Option, ...]]:
    """Return each item's options by item id, response sets resolved; none where they are in doubt.

    Of duplicate ids, which the checks report, the first counts.
    """
    sets = {one.name: one.options or () for one in spec.response_sets}
    default = spec.defaults.responses or ""
    return {
        item.id: sets.get(item.responses or default, ()) if item.options is None else item.options
        for item in reversed(spec.items)
    }
