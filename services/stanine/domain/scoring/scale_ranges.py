"""The range of every scale: exact for scales of items, safe bounds for composites and formulas. Used by checks and `scoring`."""

from collections.abc import Mapping, Sequence

from stanine.domain.errors import Faults
from stanine.domain.formulas.bounds import bounds
from stanine.domain.formulas.checking import check_formula
from stanine.domain.formulas.dependencies import order
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.formula_names import names_of
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Rounding, Scale
from stanine.domain.scoring import ranges, scale_terms
from stanine.domain.scoring.derived import from_z, norm_kind, tables_of
from stanine.domain.scoring.ranges import Range, RangedScale, RangedTerm, range_of
from stanine.domain.scoring.scale_terms import Term

#: The parts whose ends are known without norms.
_FIXED = {"sten": (1.0, 10.0), "stanine": (1.0, 9.0), "percentile": (0.0, 100.0)}


def rounding_of(scale: Scale) -> Rounding | None:
    """Return how a scale's raw score is rounded."""
    return Rounding(scale.round) if isinstance(scale.round, str) else scale.round


def formula_of(scale: Scale, spec: Spec) -> Formula:
    """Return the parsed formula of a checked scale."""
    formula = check_formula(scale.formula or "", names_of(spec), "", Faults())
    assert formula is not None
    return formula


def scale_order(spec: Spec) -> tuple[str, ...]:
    """Return the ids of a checked document's scales so that parts come first."""
    scales = {scale.id: scale for scale in spec.scales}
    forms = resolve(spec)
    return order(
        {name: parts_of(scale, spec, scales, forms) for name, scale in scales.items()}
    ).order


def parts_of(
    scale: Scale, spec: Spec, scales: Mapping[str, Scale], forms: Mapping[str, ItemForm]
) -> tuple[str, ...]:
    """Return the scales that a scale needs."""
    named = formula_of(scale, spec).scores if scale.formula is not None else scale.items
    return tuple(
        dict.fromkeys(
            one for one in map(scale_terms.base, named) if one in scales and one not in forms
        )
    )


def scale_ranges(spec: Spec) -> dict[str, Range | None]:
    """Return the range of each scale of a checked document; None if it has no ends, or can never be Scored."""
    scales, forms = {scale.id: scale for scale in spec.scales}, resolve(spec)
    found: dict[str, Range | None] = {}
    for name in scale_order(spec):
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
                found[name] = _formula_range(scale, spec, scales, forms, found)
    return found


def ranged_items(
    scale: Scale, spec: Spec, forms: Mapping[str, ItemForm], terms: Sequence[Term]
) -> RangedScale:
    """Return a scale of items as far as its range needs it."""
    its = [
        RangedTerm(
            one.weight,
            one.points.least,
            one.points.most,
            one.points.low,
            one.points.high,
            forms[one.item].conditional,
        )
        for one in terms
    ]
    points = scale.not_shown if isinstance(scale.not_shown, int | float) else None
    return _ranged(scale, spec, its, unanswered=scale.unanswered, not_shown=points)


def ranged_parts(
    scale: Scale, spec: Spec, scales: Mapping[str, Scale], found: Mapping[str, Range | None]
) -> RangedScale | None:
    """Return a scale of scales as far as its range needs it; None if a part has no ends."""
    its = []
    for reference in scale.items:
        part = part_range(
            scales[scale_terms.base(reference)], scale_terms.part_of(reference), found
        )
        if part is None:
            return None
        its.append(
            RangedTerm(float(scale.weights.get(reference, 1.0)), *part, *part, conditional=False)
        )
    return _ranged(scale, spec, its, unanswered=None, not_shown=None)


def _ranged(
    scale: Scale,
    spec: Spec,
    terms: Sequence[RangedTerm],
    *,
    unanswered: float | None,
    not_shown: float | None,
) -> RangedScale:
    method = scale_terms.method_of(scale, spec)
    assert method is not None
    return RangedScale(
        method,
        tuple(terms),
        scale_terms.min_valid_of(scale, len(terms)),
        unanswered,
        None if not_shown is None else float(not_shown),
        scale.not_shown == "Exclude",
        1.0 if scale.multiply is None else scale.multiply,
        scale.constant or 0.0,
        rounding_of(scale),
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
    spec: Spec,
    scales: Mapping[str, Scale],
    forms: Mapping[str, ItemForm],
    found: Mapping[str, Range | None],
) -> Range | None:
    formula = formula_of(scale, spec)
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
        formula, given, tables={name: one for name, one in tables.items() if one is not None}
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
