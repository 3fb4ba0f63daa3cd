"""The terms of a scale and the points of each, in the order of the form.

Used by the checks and `scoring`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.instruments.record_types import Method
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import PointRange, Scale
from stanine.domain.scoring import points
from stanine.domain.scoring.points import Points

Kind = Literal["Items", "Scales", "Formula"]


class ScaleTerm(msgspec.Struct, frozen=True):
    """One term of a scale of items: its name (`A1`, `m1.a`), its item, its points and weight."""

    name: str
    item: str
    points: Points
    weight: float


def kind_of(scale: Scale, forms: Mapping[str, ItemForm], scales: Mapping[str, Scale]) -> Kind:
    """Return the kind of a scale."""
    if scale.formula is not None:
        return "Formula"
    bases = [base(reference) for reference in scale.items]
    return (
        "Scales"
        if any(name in scales and name not in forms for name in bases)
        and not (scale.key or scale.points)
        else "Items"
    )


def base(reference: str) -> str:
    """Return the item or scale of a reference: `A1` of `-A1`, `memory` of `memory.t`."""
    return reference.removeprefix("-").partition(".")[0]


def name_of(reference: str) -> str:
    """Return a term's name: the reference without its minus."""
    return reference.removeprefix("-")


def part_of(reference: str) -> str:
    """Return the part of a scale in a reference; `raw` for the id alone."""
    return reference.partition(".")[2] or "raw"


def option_place(form: ItemForm, value: str) -> int | None:
    """Return the index of an option by its value as text, or None."""
    return next((place for place, one in enumerate(form.options) if str(one.value) == value), None)


def terms_of(scale: Scale, forms: Mapping[str, ItemForm]) -> list[ScaleTerm]:
    """Return the terms of a checked scale of items, in the order of the form."""
    found: dict[str, Points] = {}
    for reference in scale.items:
        name, minus = name_of(reference), reference.startswith("-")
        found[name] = points_of_reference(
            name, forms[base(name)], minus=minus, threshold=scale.threshold
        )
    for item, right in scale.key.items():
        found[item] = points.match(forms[item], right if isinstance(right, tuple) else (right,))
    for item, given in scale.points.items():
        found[item] = points_given(forms[item], given)
    order = {item: index for index, item in enumerate(forms)}

    def position(name: str) -> tuple[int, int]:
        form = forms[base(name)]
        option = name.partition(".")[2]
        return order[form.id], -1 if not option else option_place(form, option) or 0

    names = sorted(found, key=position)
    return [
        ScaleTerm(name, base(name), found[name], float(scale.weights.get(name, 1.0)))
        for name in names
    ]


def points_of_reference(
    name: str, form: ItemForm, *, minus: bool, threshold: float | None
) -> Points:
    """Return the points of a name in `items`. Raises TypeError as `points.numbers` does."""
    option = name.partition(".")[2]
    if not option:
        return points.own(form, minus=minus, threshold=threshold)
    place = option_place(form, option)
    assert place is not None
    return points.option(form, place, minus=minus, threshold=threshold)


def points_given(form: ItemForm, given: object) -> Points:
    """Return the points that `points` gives an item."""
    if given == "count":
        return points.count(form)
    if isinstance(given, dict):
        return points.by_option(form, given)
    assert isinstance(given, tuple)
    if form.type == "Number":
        return points.ranges(form, [one for one in given if isinstance(one, PointRange)])
    return points.listed(given)


def min_valid_of(scale: Scale, terms: int) -> int:
    """Return the terms required for a score: `minValid`, else all, or one if `unanswered`."""
    if scale.min_valid is not None:
        return scale.min_valid
    return terms if scale.unanswered is None else 1


def method_of(scale: Scale, spec: Spec) -> Method | None:
    """Return a scale's method: its own, or that of `defaults`."""
    return scale.score or spec.defaults.score


def first_scales(spec: Spec) -> dict[str, Scale]:
    """Return the scales by id; of duplicate ids, which the checks report, the first counts."""
    return {scale.id: scale for scale in reversed(spec.scales) if scale.id}
