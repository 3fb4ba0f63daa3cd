"""The range of every scale: exact for scales of items, safe bounds for composites and formulas.

Used by checks and `scoring`.
"""

import itertools
from collections.abc import Mapping, Sequence

from stanine.domain.formulas.bounds import bounds
from stanine.domain.formulas.dependencies import order
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.formula_names import Formulas
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.record_types import Method
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Rounding, Scale
from stanine.domain.scoring import ranges, scale_terms
from stanine.domain.scoring.derived import from_z, norm_kind, tables_of
from stanine.domain.scoring.ranges import Range, RangedItem, RangedScale, range_of
from stanine.domain.scoring.scale_terms import ScaleTerm

#: The parts with ends that do not depend on norms.
_FIXED = {"sten": (1.0, 10.0), "stanine": (1.0, 9.0), "percentile": (0.0, 100.0)}


def rounding_of(scale: Scale) -> Rounding | None:
    """Return the rounding of a scale's raw score."""
    return Rounding(scale.round) if isinstance(scale.round, str) else scale.round


def scale_order(spec: Spec, formulas: Formulas) -> tuple[str, ...]:
    """Return the ids of a checked document's scales, parts first."""
    scales = {scale.id: scale for scale in spec.scales}
    forms = resolve(spec)
    return order(
        {name: parts_of(scale, formulas, scales, forms) for name, scale in scales.items()}
    ).order


def parts_of(
    scale: Scale, formulas: Formulas, scales: Mapping[str, Scale], forms: Mapping[str, ItemForm]
) -> tuple[str, ...]:
    """Return the scales that a scale depends on."""
    named = formulas.of(scale).scores if scale.formula is not None else scale.items
    return tuple(
        dict.fromkeys(
            one for one in map(scale_terms.base, named) if one in scales and one not in forms
        )
    )


def scale_ranges(spec: Spec, formulas: Formulas) -> dict[str, Range | None]:
    """Return each scale's range in a checked document; None if it is unbounded or never scored."""
    scales, forms = {scale.id: scale for scale in spec.scales}, resolve(spec)
    found: dict[str, Range | None] = {}
    for name in scale_order(spec, formulas):
        scale = scales[name]
        match scale_terms.kind_of(scale, forms, scales):
            case "Items":
                found[name] = range_of(
                    ranged_items(scale, spec, forms, scale_terms.terms_of(scale, forms))
                )
            case "Scales":
                composite = ranged_parts(scale, spec, scales, found)
                found[name] = None if composite is None else range_of(composite)
            case _:
                found[name] = _formula_range(scale, formulas.of(scale), spec, scales, forms, found)
    return found


def ranged_items(
    scale: Scale, spec: Spec, forms: Mapping[str, ItemForm], terms: Sequence[ScaleTerm]
) -> RangedScale:
    """Return the properties of a scale of items for its range."""
    hidden = float(scale.not_shown) if isinstance(scale.not_shown, int | float) else None
    method = _method(scale, spec)
    divides = all(term.weight > 0 for term in terms)
    items = []
    for group in by_item(terms):

        def above(given: Sequence[float], group: Sequence[ScaleTerm] = group) -> float:
            total = 0.0
            for term, x in zip(group, given, strict=True):
                total += term.weight * (x - term.points.low if method == "Percent" else x)
            return total

        ends = [above(given) for given in answers_of(group)]
        below = sum(
            term.weight * (term.points.high - term.points.low)
            if method == "Percent"
            else term.weight
            for term in group
        )
        items.append(
            RangedItem(
                min(ends),
                max(ends),
                below,
                sum(term.weight for term in group),
                len(group),
                forms[group[0].item].conditional,
                None if scale.unanswered is None else above([scale.unanswered] * len(group)),
                None if hidden is None else above([hidden] * len(group)),
            )
        )
    return _ranged(scale, method, items, len(terms), divides=divides)


def by_item(terms: Sequence[ScaleTerm]) -> list[list[ScaleTerm]]:
    """Return the terms grouped by the item whose answer gives them points."""
    return [list(group) for _, group in itertools.groupby(terms, key=lambda term: term.item)]


def answers_of(group: Sequence[ScaleTerm]) -> list[tuple[float, ...]]:
    """Return the points that the terms of one item can have together.

    Includes all answers, or only the extreme ones. Terms of a wider answer are treated as independent; then the ends
    are bounds.
    """
    tables = [term.points.table for term in group]
    if len(group) == 1 or None in tables:
        reachable = [term.points.reachable or (term.points.low, term.points.high) for term in group]
        if len(group) == 1:
            return [(x,) for x in reachable[0]]
        return [tuple(map(min, reachable)), tuple(map(max, reachable)), *_mixed(group, reachable)]
    joint = dict.fromkeys(zip(*(table or () for table in tables), strict=True))
    return [tuple(x for x in given if x is not None) for given in joint if None not in given]


def _mixed(
    group: Sequence[ScaleTerm], reachable: Sequence[Sequence[float]]
) -> list[tuple[float, ...]]:
    """Return the ends for weights of both signs."""
    return [
        tuple(
            min(its) if (term.weight > 0) is low else max(its)
            for term, its in zip(group, reachable, strict=True)
        )
        for low in (True, False)
    ]


def ranged_parts(
    scale: Scale, spec: Spec, scales: Mapping[str, Scale], found: Mapping[str, Range | None]
) -> RangedScale | None:
    """Return the properties of a composite for its range; None if a part has no ends."""
    method = _method(scale, spec)
    items = []
    weights = []
    for reference in scale.items:
        part = part_range(
            scales[scale_terms.base(reference)], scale_terms.part_of(reference), found
        )
        if part is None:
            return None
        weight = float(scale.weights.get(reference, 1.0))
        weights.append(weight)
        low, high = (0.0, part[1] - part[0]) if method == "Percent" else part
        ends = weight * low, weight * high
        items.append(
            RangedItem(
                min(ends),
                max(ends),
                weight * (high - low) if method == "Percent" else weight,
                weight,
                1,
                conditional=False,
            )
        )
    return _ranged(scale, method, items, len(items), divides=all(weight > 0 for weight in weights))


def _method(scale: Scale, spec: Spec) -> Method:
    method = scale_terms.method_of(scale, spec)
    assert method is not None
    return method


def _ranged(
    scale: Scale, method: Method, items: Sequence[RangedItem], terms: int, *, divides: bool
) -> RangedScale:
    return RangedScale(
        method,
        tuple(items),
        scale_terms.min_valid_of(scale, terms),
        scale.not_shown == "Exclude" and any(item.conditional for item in items),
        divides,
        1.0 if scale.multiply is None else scale.multiply,
        scale.constant or 0.0,
        rounding_of(scale),
        scale.unanswered,
        float(scale.not_shown) if isinstance(scale.not_shown, int | float) else None,
    )


def part_range(scale: Scale, part: str, found: Mapping[str, Range | None]) -> Range | None:
    """Return bounds of a part of a scale; None if it has none."""
    if part == "raw":
        return found.get(scale.id)
    if part == "score":
        scores = [row.score for _, table in tables_of(scale) for row in table]
        return min(scores), max(scores)
    if part in _FIXED:
        return _FIXED[part]
    raw = found.get(scale.id)
    if raw is None or norm_kind(scale) != "Figures":
        return None
    unit = "T" if part == "t" else "Z"
    ends = [
        from_z(unit, (end - (norm.mean or 0.0)) / (norm.sd or 1.0))  # type: ignore[arg-type]
        for norm in scale.norms.values()
        for end in raw
    ]
    return min(ends), max(ends)


def _formula_range(
    scale: Scale,
    formula: Formula,
    spec: Spec,
    scales: Mapping[str, Scale],
    forms: Mapping[str, ItemForm],
    found: Mapping[str, Range | None],
) -> Range | None:
    known: dict[str, Range | None] = {}
    for name in formula.numbers:
        base, part = scale_terms.base(name), scale_terms.part_of(name)
        if base in forms:
            known[name] = _item_range(name, forms[base], scale)
        elif base in scales:
            known[name] = part_range(scales[base], part, found)
        else:
            known[name] = _attribute_range(name, spec)
    tables = {name: part_range(scales[name], "score", found) for name in formula.tables}
    given = {name: ends for name, ends in known.items() if ends is not None}
    ends = bounds(
        formula,
        given,
        tables={name: one for name, one in tables.items() if one is not None},
        pass_over=scale.min_valid is not None,
    )
    if ends is None:
        return None
    done = [ranges.finish(x, 1.0, 0.0, rounding_of(scale)) + 0.0 for x in ends]
    return min(done), max(done)


def _item_range(name: str, form: ItemForm, scale: Scale) -> Range | None:
    if "." in name:
        ends = (0.0, 1.0) if form.type == "Multiple" else (1.0, float(len(form.options)))
    elif form.type == "Number":
        ends = form.low, form.high
    else:
        numbers = [
            float(one.value)
            for one in form.options
            if not one.missing and not isinstance(one.value, str)
        ]
        if not numbers:
            return None
        ends = min(numbers), max(numbers)
    extra = [float(x) for x in (scale.unanswered, scale.not_shown) if isinstance(x, int | float)]
    return min(ends[0], *extra, ends[0]), max(ends[1], *extra, ends[1])


def _attribute_range(name: str, spec: Spec) -> Range | None:
    attribute = next((one for one in spec.attributes if one.id == name), None)
    if attribute is None or attribute.values is None:
        return None
    numbers = [float(one.value) for one in attribute.options if not isinstance(one.value, str)]
    return (min(numbers), max(numbers)) if numbers else None
