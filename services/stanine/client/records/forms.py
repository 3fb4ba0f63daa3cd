"""Forms as participants see them."""

import msgspec

from stanine.client.records.base import ClientRecord


class OptionInfo(ClientRecord, frozen=True):
    """An option of an item."""

    value: int | float | str
    label: str | None = None
    #: Whether choosing it counts as a missing answer; conditions see it as such.
    missing: bool = False
    #: Whether it is chosen alone.
    exclusive: bool = False


class ItemInfo(ClientRecord, frozen=True):
    """An item; the members after `options` are there for the types and items that have them."""

    id: str
    text: str
    #: Choice, Number, Multiple, Ranking, Text or Date.
    type: str
    #: Of a Choice, Multiple or Ranking.
    options: list[OptionInfo] = msgspec.field(default_factory=list)
    required: bool = False
    #: The column of response files, if it is not named by the id.
    column: str | None = None
    #: The condition under which it is shown.
    when: str | None = None
    #: Another Choice whose answer must differ.
    distinct_from: str | None = None
    #: Of a Number.
    min: float | None = None
    max: float | None = None
    step: float | None = None
    integer: bool = False
    unit: str | None = None
    min_label: str | None = None
    max_label: str | None = None
    #: Of a Multiple.
    min_chosen: int | None = None
    max_chosen: int | None = None
    #: Of a Text.
    max_length: int | None = None
    multiline: bool = False


class AttributeInfo(ClientRecord, frozen=True):
    """An attribute of participants."""

    id: str
    title: str | None = None
    type: str | None = None
    #: The allowed values; absent: any of its type.
    values: list[int | float | str] | None = None
    #: What people read for each of the values.
    labels: list[str | None] | None = None
    required: bool = False


class SectionInfo(ClientRecord, frozen=True):
    """Items that are shown together."""

    id: str
    items: list[str]
    title: str | None = None
    instructions: str | None = None
    #: The condition under which its items are shown.
    when: str | None = None
    time_limit_seconds: int | None = None


class LayoutInfo(ClientRecord, frozen=True):
    """How pages show the items."""

    items_per_page: int


class FormInfo(ClientRecord, frozen=True):
    """A form as participants see it."""

    name: str
    revision: int
    form: int
    title: str
    attributes: list[AttributeInfo]
    items: list[ItemInfo]
    language: str | None = None
    #: The languages that the document has its texts in.
    languages: list[str] | None = None
    instructions: str | None = None
    duration_minutes: int | float | None = None
    time_limit_seconds: int | None = None
    layout: LayoutInfo | None = None
    sections: list[SectionInfo] | None = None
