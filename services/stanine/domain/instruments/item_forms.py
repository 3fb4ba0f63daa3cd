"""Each item's answer format, its response set and sections resolved.

Shared by checks, packing and scoring. Numbers on a grid are counted in exact decimals as written in the document, so
that 0.3 is the third step of 0.1.
"""

import math
from decimal import Decimal
from fractions import Fraction

import msgspec

from stanine.domain import limits
from stanine.domain.instruments.record_types import ItemType
from stanine.domain.instruments.records import Item, Option, ResponseSet, Spec


class ItemForm(msgspec.Struct, frozen=True):
    """The answer format of an item.

    A Number has `low` and `high`; Choice, Multiple and Ranking have options.
    """

    id: str
    type: ItemType = "Choice"
    options: tuple[Option, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    integer: bool = False
    unit: str | None = None
    min_label: str | None = None
    max_label: str | None = None
    min_chosen: int = 0
    max_chosen: int = 0
    max_length: int = limits.DEFAULT_TEXT
    #: Whether it, or its section, has a condition, so that it may be hidden.
    conditional: bool = False


class Grid(msgspec.Struct, frozen=True):
    """The numbers start, start + step, …, as exact decimals."""

    start: Fraction
    step: Fraction
    count: int

    def value(self, index: int) -> float:
        """Return the double nearest to a number of the grid."""
        return float(self.start + index * self.step)

    def index(self, x: float) -> int | None:
        """Return the index of x on the grid, compared at 9 decimals; None if it is not on the grid."""
        if not math.isfinite(x):
            return None
        index = round((Fraction(x) - self.start) / self.step)
        if not 0 <= index < self.count or round(self.value(index), 9) != round(x, 9):
            return None
        return index


def type_of(item: Item, spec: Spec) -> ItemType:
    """Return an item's type: its own, else Number if its response set is one, else Choice."""
    if item.type is not None:
        return item.type
    one = response_set(item, spec) if item.options is None else None
    return "Number" if one is not None and is_number(one) else "Choice"


def response_set(item: Item, spec: Spec) -> ResponseSet | None:
    """Return an item's response set, its own or the default one, or None."""
    name = item.responses or spec.defaults.responses
    return next((one for one in spec.response_sets if one.name == name), None) if name else None


def is_number(one: ResponseSet) -> bool:
    """Return whether a response set is one of numbers."""
    return one.type == "Number"


def resolve(spec: Spec) -> dict[str, ItemForm]:
    """Return each item's form by id, in the form's order.

    Of duplicate ids, which the checks report, the first counts.
    """
    sets = {one.name: one for one in spec.response_sets}
    in_condition = {
        item for section in spec.sections if section.when is not None for item in section.items
    }
    forms: dict[str, ItemForm] = {}
    for item in spec.items:
        if item.id not in forms:
            forms[item.id] = _resolve(
                item,
                sets.get(item.responses or spec.defaults.responses or ""),
                item.id in in_condition,
            )
    return forms


def _resolve(item: Item, used: ResponseSet | None, in_condition: bool) -> ItemForm:
    numeric = used if used is not None and is_number(used) else None
    kind: ItemType = item.type or (
        "Number" if item.options is None and numeric is not None else "Choice"
    )
    conditional = in_condition or item.when is not None
    if kind == "Number":
        source: Item | ResponseSet = item
        if numeric is not None and item.min is None and item.max is None:
            source = numeric
        return ItemForm(
            item.id,
            kind,
            low=source.min or 0.0,
            high=source.max or 0.0,
            step=source.step,
            integer=source.integer,
            unit=item.unit or source.unit,
            min_label=item.min_label or source.min_label,
            max_label=item.max_label or source.max_label,
            conditional=conditional,
        )
    if kind == "Text":
        return ItemForm(
            item.id,
            kind,
            max_length=item.max_length or limits.DEFAULT_TEXT,
            conditional=conditional,
        )
    if kind == "Date":
        return ItemForm(item.id, kind, conditional=conditional)
    options = (
        item.options
        if item.options is not None
        else (used.options or () if used is not None else ())
    )
    most = len(options) if item.max_chosen is None else item.max_chosen
    return ItemForm(
        item.id,
        kind,
        options,
        min_chosen=item.min_chosen or 0,
        max_chosen=most,
        conditional=conditional,
    )


def exact(x: float) -> Fraction:
    """Return a number of a document as the decimal written there."""
    return Fraction(Decimal(repr(float(x))))


def grid_of(form: ItemForm) -> Grid | None:
    """Return the grid of a Number; None if it accepts any number between its ends."""
    if form.step is None and not form.integer:
        return None
    start, step = exact(form.low), exact(form.step) if form.step is not None else Fraction(1)
    if form.integer and form.step is None:
        start = Fraction(math.ceil(start))
    return Grid(start, step, max(0, (exact(form.high) - start) // step + 1))
