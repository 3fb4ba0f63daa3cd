"""The records of an instrument document (DESIGN 4.1). Made by `instrument.parse_instrument` only, which checks what types cannot say.

What the format will have and this version cannot do yet is named in `later`: such a document is refused with the code NotSupported, never
misread.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from stanine.domain import limits

Id = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_]*$",
        max_length=limits.MAX_ID,
        description="an id: letters, digits and _, a letter first",
    ),
]
#: An item of a scale: `A1`, reversed `-A1`; `r1.a` (a ranked option) is for later.
ItemReference = Annotated[
    str,
    Meta(
        pattern="^-?[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z0-9_]+)?$",
        max_length=limits.MAX_ID + limits.MAX_VALUE + 2,
        description="an item's id, with a minus before it if reverse-keyed",
    ),
]
DnsLabel = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="a DNS-1123 label: lower-case letters, digits and -, beginning and ending with a letter or digit",
    ),
]
Language = Annotated[
    str,
    Meta(pattern="^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35, description='a language tag (BCP 47) such as "en" or "pt-BR"'),
]
Title = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TITLE)]
Line = Annotated[str, Meta(min_length=1, max_length=limits.MAX_LINE)]
Passage = Annotated[str, Meta(max_length=limits.MAX_PASSAGE)]
Number = Annotated[float, Meta(ge=-limits.LARGEST_NUMBER, le=limits.LARGEST_NUMBER)]
Whole = Annotated[int, Meta(ge=-limits.LARGEST_NUMBER, le=limits.LARGEST_NUMBER)]
ValueText = Annotated[str, Meta(min_length=1, max_length=limits.MAX_VALUE)]
#: What an answer or an attribute is: a number or a text, never a boolean.
Value = Whole | Number | ValueText
Method = Literal["Mean", "Sum", "Percent"]


class Record(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What all records of a document share: camelCase names, no unknown fields."""

    #: Fields of the format that this version cannot do yet, by their names in a document.
    later: ClassVar[frozenset[str]] = frozenset()
    #: The same for values of a field with a closed list.
    later_values: ClassVar[dict[str, frozenset[str]]] = {}


class Metadata(Record, frozen=True):
    """The document's name. The rest is what Kubernetes users write beside it; it is no part of the instrument."""

    #: The instrument's name.
    name: DnsLabel
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Attribute(Record, frozen=True):
    """What else is known of a person: of a type, or one of a list of values."""

    #: The attribute's id, which answers and `where` name it by.
    id: Id
    #: What people are asked.
    title: Title | None = None
    #: What its value is. Either type or values is needed.
    type: Literal["Integer", "Number", "Text"] | None = None
    #: The values it may have: numbers or texts.
    values: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=limits.MAX_VALUES)] | None = None


class Option(Record, frozen=True):
    """One of the answers that an item offers; `missing` ones are stored as answered and scored as missing."""

    #: What an answer holds: a number or a text. Items are scored by numbers, or by a scale's key or points.
    value: Value
    #: What people read.
    label: Line | None = None
    #: Whether choosing it counts as no answer: stored as answered, scored as missing. Default: false.
    missing: bool = False


Options = Annotated[tuple[Option, ...], Meta(min_length=1, max_length=limits.MAX_OPTIONS)]


class ResponseSet(Record, frozen=True):
    """Options that several items share."""

    #: The name that items use it by.
    name: Id
    #: The options, in the order shown.
    options: Options


class Item(Record, frozen=True):
    """One question. Its options are its own, or those of the response set that it or `defaults` names."""

    later: ClassVar[frozenset[str]] = frozenset({"min", "max", "integer", "when"})
    later_values: ClassVar[dict[str, frozenset[str]]] = {"type": frozenset({"Number", "Ranking"})}

    #: The item's id, which answers and scales name it by.
    id: Id
    #: What people read.
    text: Line
    #: What is asked for. Default: Choice.
    type: Literal["Choice"] = "Choice"
    #: The response set whose options it offers. Default: defaults.responses.
    responses: Id | None = None
    #: Options of its own, in the order shown.
    options: Options | None = None


class Band(Record, frozen=True):
    """A named stretch of scores: begins at `from` (≥) or `above` (>) and ends where the next begins."""

    #: The band's id, which results name it by.
    id: Id
    #: What people read.
    label: Line | None = None
    #: What belonging to the band means.
    text: Passage | None = None
    #: It begins at this score.
    from_: Number | None = msgspec.field(name="from", default=None)
    #: It begins above this score.
    above: Number | None = None


Bands = Annotated[tuple[Band, ...], Meta(max_length=limits.MAX_BANDS)]
RightValues = Annotated[tuple[Value, ...], Meta(min_length=1, max_length=limits.MAX_OPTIONS)]


class Scale(Record, frozen=True):
    """A score over items. An item stands in one of `items`, `key` and `points`; the order in which they are named has no meaning."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"reliability", "interval", "norms", "standard", "report", "lookup", "round", "formula"},
    )

    #: The scale's id, which results name it by.
    id: Id
    #: What people read.
    title: Title | None = None
    #: How points become a score: their mean, their sum, or percent of the most possible. Default: defaults.score.
    score: Method | None = None
    #: Its items by their ids; a minus before an id: reverse-keyed.
    items: Annotated[tuple[ItemReference, ...], Meta(max_length=limits.MAX_ITEMS)] = ()
    #: The right answer of each item, or a list of them: 1 point for a right answer, else 0.
    key: dict[Id, Value | RightValues] = {}
    #: Makes the points of `items` 1 if the answer's number is at least this, else 0.
    threshold: Number | None = None
    #: Points of each item, one per option in their order.
    points: dict[Id, Annotated[tuple[Number | None, ...], Meta(max_length=limits.MAX_OPTIONS)]] = {}
    #: Points of an item left out. Default: it is missing.
    unanswered: Number | None = None
    #: The fewest items answered for a score. Default: all (1 with `unanswered`).
    min_valid: Whole | None = None
    #: Weights of items. Default: 1.
    weights: dict[Id, Number] = {}
    #: The score is multiplied by this. Default: 1.
    multiply: Number = 1.0
    #: Then this is added. Default: 0.
    constant: Number = 0.0
    #: Named stretches of scores. Default: defaults.bands.
    bands: Bands | None = None


class Defaults(Record, frozen=True):
    """What items and scales have that do not say otherwise; never what decides about missing answers."""

    later: ClassVar[frozenset[str]] = frozenset({"standard", "report", "interval"})

    #: The response set of items that name none.
    responses: Id | None = None
    #: How scales that do not say so are scored.
    score: Method | None = None
    #: The bands of scales that have none of their own.
    bands: Bands | None = None


class RedisConfigRef(Record, frozen=True):
    """The RedisConfig that says where a custom resource's Redis is; no part of the document."""

    #: The RedisConfig's name, in the resource's own namespace. Default: default.
    name: DnsLabel = "default"


class Spec(Record, frozen=True, kw_only=True):
    """The instrument itself."""

    later: ClassVar[frozenset[str]] = frozenset({"normGroups", "translations"})

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
    #: What else is known of a person.
    attributes: Annotated[tuple[Attribute, ...], Meta(max_length=limits.MAX_ATTRIBUTES)] = ()
    #: Options that several items share.
    response_sets: Annotated[tuple[ResponseSet, ...], Meta(max_length=limits.MAX_ITEMS)] = ()
    #: The questions, in the order shown.
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=limits.MAX_ITEMS)]
    #: What items and scales have that do not say otherwise.
    defaults: Defaults = Defaults()
    #: The scores, each over some of the items.
    scales: Annotated[tuple[Scale, ...], Meta(min_length=1, max_length=limits.MAX_SCALES)]
    #: The RedisConfig that says where to publish. Cannot be changed. Default: the one named default.
    redis_config_ref: RedisConfigRef | None = None
    #: What happens in Redis when this resource is deleted: Retain keeps everything, Delete removes the instrument unless it has attempts.
    #: Default: Retain.
    deletion_policy: Literal["Retain", "Delete"] | None = None


class Instrument(Record, frozen=True):
    """One revision of a questionnaire with its scoring, as published."""

    api_version: Literal["stanine.dev/v1alpha1"]
    kind: Literal["Instrument"]
    metadata: Metadata
    spec: Spec


def options_of(spec: Spec) -> dict[str, tuple[Option, ...]]:
    """Return each item's options by the item's id, response sets resolved; an item whose options cannot be told has none.

    Of two items with one id (which checks refuse) the first counts.
    """
    sets = {one.name: one.options for one in spec.response_sets}
    default = spec.defaults.responses or ""
    return {item.id: sets.get(item.responses or default, ()) if item.options is None else item.options for item in reversed(spec.items)}
