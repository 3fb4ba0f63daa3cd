"""Formats an explanation as text. Used by `stanine explain`."""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from stanine.domain.scoring.explanation_records import (
    BandStep,
    ErrorStep,
    Explanation,
    FormulaStep,
    GroupStep,
    LookupStep,
    NormStep,
    PartStep,
    ProfileExplanation,
    ScaleExplanation,
    SumStep,
    TermStep,
)
from stanine.domain.tables.csv_lines import shortest

_STATES = {
    "Answered": "answered",
    "MissingOption": "answered as missing",
    "Omitted": "not answered",
    "NotShown": "not shown",
    "Declined": "declined",
}
_RULES = {
    "Own": "",
    "Reversed": "reversed",
    "Keyed": "by the key",
    "Listed": "by its list of points",
    "Counted": "options counted",
}


def lines_of(explanation: Explanation) -> Iterator[str]:
    """Yield the lines of an explanation: one paragraph per scale and profile."""
    for place, scale in enumerate(explanation.scales):
        if place:
            yield ""
        yield from _scale(scale)
    for profile in explanation.profiles:
        yield ""
        yield from _profile(profile)


def _scale(scale: ScaleExplanation) -> Iterator[str]:
    title = "" if scale.title is UNSET else f" ({scale.title})"
    internal = ", for other scales only" if scale.internal else ""
    yield f"{scale.id}{title}: {_number(scale.raw)}, {scale.status}{internal}"
    yield from _raw(scale)
    yield from _derived(scale)
    if not scale.agrees:
        yield "  these steps do not lead to the stored score: another engine made it"


def _raw(scale: ScaleExplanation) -> Iterator[str]:
    if scale.threshold is not UNSET:
        yield f"  threshold: 1 point from {_number(scale.threshold)} on, else 0"
    for term in scale.terms or ():
        yield f"  {_term(term)}"
    for part in scale.parts or ():
        yield f"  {_part(part)}"
    if scale.formula is not UNSET:
        yield from _formula(scale.formula)
    enough = "" if scale.status != "TooFewAnswers" else ": too few"
    yield f"  valid: {scale.valid} of {scale.items}, {scale.needed} needed{enough}"
    if scale.sum is not UNSET and scale.status != "TooFewAnswers":
        yield from _sum(scale.sum)
    if scale.rounding is not UNSET:
        decimals = f"{scale.decimals} decimal{'' if scale.decimals == 1 else 's'}"
        yield f"  rounded {scale.rounding} to {decimals}: {_number(scale.raw)}"


def _derived(scale: ScaleExplanation) -> Iterator[str]:
    if scale.norm is not UNSET:
        yield from _norm(scale.norm)
    if scale.lookup is not UNSET:
        yield f"  table: {_lookup(scale.lookup)}"
    if scale.standard is not UNSET:
        figures = ", ".join(f"{unit} {_number(x)}" for unit, x in scale.standard.items())
        yield f"  standard scores: {figures}"
    if scale.error is not UNSET:
        yield f"  {_error(scale.error)}"
    if scale.band is not UNSET:
        yield from _band(scale.band)


def _term(term: TermStep) -> str:
    said = _STATES[term.state]
    if term.answer is not UNSET:
        said += f" {_value(term.answer)}"
    match term.counts_as:
        case "Excluded":
            return f"{term.name}: {said}, excluded"
        case "Missing":
            return f"{term.name}: {said}, no points"
        case "Points":
            how = f" ({_RULES[term.rule]})" if _RULES[term.rule] else ""
        case _:
            how = " (as the scale says of such items)"
    return f"{term.name}: {said}, points {_number(term.points)}{how}{_added(term)}"


def _part(part: PartStep) -> str:
    return f"{part.scale}.{part.part}: {_number(part.value)}{_added(part)}"


def _added(step: TermStep | PartStep) -> str:
    """Return the contribution of a term if it differs from its points, otherwise an empty text."""
    if step.adds is None:
        return ""
    above = "" if step.lowest is UNSET else f" above the lowest {_number(step.lowest)}"
    if not above and step.weight == 1:
        return ""
    return f"{above}, weight {_number(step.weight)}: adds {_number(step.adds)}"


def _formula(formula: FormulaStep) -> Iterator[str]:
    if formula.text is not UNSET:
        yield f"  formula: {formula.text}"
    for name in formula.names:
        if name.value is not UNSET:
            shown = _number(name.value)
        elif name.text is not UNSET:
            shown = name.text or "none"
        else:
            shown = "has a value" if name.has_value else "has none"
        yield f"  {name.name}: {shown}"
    yield f"  value: {_number(formula.value)}"


def _sum(one: SumStep) -> Iterator[str]:
    total, divisor = _number(one.sum), _number(one.divisor)
    if one.method == "Mean":
        yield f"  mean: {total} / {divisor} = {_number(one.result)}"
    elif one.method == "Percent":
        yield f"  percent: 100 x {total} / {divisor} = {_number(one.result)}"
    elif one.prorated:
        weights = _number(one.all_weights)
        yield f"  sum, prorated: {weights} x {total} / {divisor} = {_number(one.result)}"
    else:
        yield f"  sum: {total}"
    if one.multiply != 1 or one.constant != 0:
        factor, constant = _number(one.multiply), _number(one.constant)
        before = _number(one.before_rounding)
        yield f"  x {factor} + {constant} = {before}"


def _norm(norm: NormStep) -> Iterator[str]:
    yield from _groups(norm.groups)
    if norm.group is None:
        yield "  norm group: none"
        return
    figures = [
        f"{name} {_number(x)}"
        for name, x in (("mean", norm.mean), ("sd", norm.sd), ("people", norm.sample))
        if x is not UNSET
    ]
    yield f"  norm group: {norm.group}{' (' + ', '.join(figures) + ')' if figures else ''}"


def _groups(groups: list[GroupStep]) -> Iterator[str]:
    for group in groups:
        clauses = []
        for one in group.clauses:
            if one.one_of is not UNSET:
                wanted = "one of " + ", ".join(map(_value, one.one_of))
            else:
                wanted = f"{_end(one.lowest)} to {_end(one.highest)}"
            has = "" if one.value is UNSET else f", has {_value(one.value)}"
            clauses.append(f"{one.attribute} {wanted}{has}: {'yes' if one.holds else 'no'}")
        why = "; ".join(clauses) or "for everybody"
        yield f"  {group.group} {'matches' if group.matches else 'does not match'}: {why}"


def _lookup(lookup: LookupStep) -> str:
    if lookup.score is None:
        return "no row"
    ends = _edges(raw=lookup.raw, ge=lookup.from_, gt=lookup.above, le=lookup.to, lt=lookup.below)
    more = "" if lookup.percentile is UNSET else f", percentile {_number(lookup.percentile)}"
    return f"row {ends} gives {_number(lookup.score)}{more}"


def _error(error: ErrorStep) -> str:
    source = "table" if error.source == "Table" else f"reliability {_number(error.reliability)}"
    found = [f"unit {error.unit}, from the {source}"]
    if error.se is not UNSET:
        found.append(f"standard error {_number(error.se)}")
    if error.low is not UNSET:
        kind = "interval"
        if error.kind is not UNSET:
            kind = f"{error.kind} interval of {_number(error.level)}"
            kind += f" (quantile {_number(error.quantile)})"
        found.append(f"{kind} {_number(error.low)} to {_number(error.high)}")
    return "error: " + ", ".join(found)


def _band(band: BandStep) -> Iterator[str]:
    yield from _groups(band.groups or [])
    if band.band is None:
        yield f"  band: none ({band.unit} {_number(band.value)})"
        return
    label = "" if band.label is UNSET else f" ({band.label})"
    edges = _edges(ge=band.from_, gt=band.above, le=band.to, lt=band.below)
    group = "" if not band.group else f", bands of {band.group}"
    yield f"  band: {band.band}{label}, {band.unit} {_number(band.value)} lies in {edges}{group}"


def _profile(profile: ProfileExplanation) -> Iterator[str]:
    code = "none" if profile.code is None else " ".join(profile.code)
    yield f"{profile.id}: {code}, {profile.status}{', tied' if profile.tied else ''}"
    values = ", ".join(f"{one.name} {_number(one.value)}" for one in profile.values)
    yield f"  {values}"
    yield f"  the highest {profile.top}; equal values: {profile.ties}"


def _edges(
    *,
    raw: float | UnsetType = UNSET,
    ge: float | UnsetType = UNSET,
    gt: float | UnsetType = UNSET,
    le: float | UnsetType = UNSET,
    lt: float | UnsetType = UNSET,
) -> str:
    marks = (("", raw), (">= ", ge), ("> ", gt), ("<= ", le), ("< ", lt))
    return " and ".join(f"{mark}{_number(x)}" for mark, x in marks if x is not UNSET) or "all"


def _end(x: float | UnsetType | None) -> str:
    return "open" if x is None else _number(x)


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return (
        _number(value) if isinstance(value, float) else "nothing" if value is None else str(value)
    )


def _number(x: float | UnsetType | None) -> str:
    return "none" if x is None or x is UNSET else shortest(float(x))
