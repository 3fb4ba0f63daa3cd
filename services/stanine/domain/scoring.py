"""The scoring plan: an instrument compiled to tables, so that the kernel looks nothing up by name and decides nothing per attempt.

Made by `index.build_entry`; run by `kernel`. This is the order of arithmetic that every engine must keep (float64, each step rounded):

    Σ runs over a scale's terms in the order of the form, from 0.0, over the answers that have points.
    Mean     Σ(w·x) / Σw
    Sum      Σ(w·x), and if some are missing (W · Σ(w·x)) / Σw, where W = Σw over all terms
    Percent  (100 · Σ(w·(x - lowest))) / Σ(w·(highest - lowest))
    raw      (that · multiply) + constant
"""

from typing import Literal

import msgspec

from stanine.domain import bands, points
from stanine.domain.records import Instrument, Method, Scale, Spec, options_of

#: The version of what plans mean and how they are run. A change that can alter any result's bytes makes it greater.
ENGINE_VERSION = 1

#: Codes of answers that are not an option's index: skipped or absent, not shown, declined (the last two are kept for later).
OMITTED, NOT_SHOWN, DECLINED = 255, 254, 253


class Term(msgspec.Struct, frozen=True, array_like=True):
    """One item of a scale: its place in the form, its table of points, its weight."""

    item: int
    table: int
    weight: float


class PlannedBand(msgspec.Struct, frozen=True, array_like=True):
    """A band, and the smallest double that lies in it or beyond (None: it has no lower end)."""

    id: str
    start: float | None


class PlannedScale(msgspec.Struct, frozen=True, array_like=True):
    """One scale: what is added up, and what is made of the sums."""

    id: str
    method: Method
    terms: tuple[Term, ...]
    min_valid: int
    #: Points of an omitted answer; None: it is missing.
    unanswered: float | None
    multiply: float
    constant: float
    bands: tuple[PlannedBand, ...]
    #: Scales of other kinds (formula, scales of scales) will have another tag.
    kind: Literal["Items"] = "Items"


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """How the attempts of one form are scored. Tables are shared: points by option's index, None for a missing option."""

    #: The number of options of each item, in the form's order: what a code may be.
    options: tuple[int, ...]
    tables: tuple[points.Table, ...]
    scales: tuple[PlannedScale, ...]


def compile_plan(instrument: Instrument) -> Plan:
    """Return the plan of a checked instrument; the same instrument always gives the same plan."""
    spec = instrument.spec
    options = options_of(spec)
    tables: dict[points.Table, int] = {}
    scales = tuple(_compile_scale(scale, spec, tables) for scale in spec.scales)
    return Plan(tuple(len(options[item.id]) for item in spec.items), tuple(tables), scales)


def _compile_scale(scale: Scale, spec: Spec, tables: dict[points.Table, int]) -> PlannedScale:
    by_item = _tables(scale, spec)
    terms = tuple(
        Term(index, tables.setdefault(by_item[item.id], len(tables)), float(scale.weights.get(item.id, 1.0)))
        for index, item in enumerate(spec.items)
        if item.id in by_item
    )
    method = scale.score or spec.defaults.score
    assert method is not None
    min_valid = scale.min_valid
    if min_valid is None:
        min_valid = len(terms) if scale.unanswered is None else 1
    its_bands = scale.bands if scale.bands is not None else spec.defaults.bands or ()
    return PlannedScale(
        id=scale.id,
        method=method,
        terms=terms,
        min_valid=min_valid,
        unanswered=scale.unanswered,
        multiply=scale.multiply,
        constant=scale.constant,
        bands=tuple(PlannedBand(band.id, bands.start(band)) for band in its_bands),
    )


def _tables(scale: Scale, spec: Spec) -> dict[str, points.Table]:
    """Return the points of each of a scale's items, by the item's id."""
    options = options_of(spec)
    tables: dict[str, points.Table] = {}
    for reference in scale.items:
        item = reference.removeprefix("-")
        table = points.numbers(options[item])
        if reference.startswith("-"):
            table = points.reverse(table)
        tables[item] = table if scale.threshold is None else points.reach(table, scale.threshold)
    for item, right in scale.key.items():
        tables[item] = points.match(options[item], right if isinstance(right, tuple) else (right,))
    return tables | scale.points
