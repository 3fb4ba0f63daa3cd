"""Compiles an instrument to its scoring plan.

Called by `index.build_entry`; `kernel` runs the plan. Every engine must keep this order of arithmetic (float64, each
step rounded):

    Σ runs over a scale's terms in the order of the form (over parts in the order of the scale), from 0.0, over those
    that have points.
    Mean     Σ(w·x) / Σw
    Sum      Σ(w·x), and if some are missing (W · Σ(w·x)) / Σw, where W = Σw over all terms that are not excluded
    Percent  (100 · Σ(w·(x - lowest))) / Σ(w·(highest - lowest))
    raw      (that · multiply) + constant, then rounded
    z        (raw - mean) / sd, and from it 50 + 10·z, ⌊2·z + 6⌋, ⌊2·z + 5.5⌋, 50·erfc(-z / √2)
"""

from collections.abc import Mapping, Sequence

from stanine.domain.attempts.answer_codes import DECLINED, NOT_SHOWN, OMITTED, cells_of
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.formula_names import Formulas
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.records import Instrument, Spec
from stanine.domain.instruments.scale_records import Band, LookupRow, Norm, Scale
from stanine.domain.scoring import bands, points, scale_terms
from stanine.domain.scoring.derived import derive, mid_ranks
from stanine.domain.scoring.intervals import smallest_beyond, stretch
from stanine.domain.scoring.plan import (
    ENGINE_VERSION,
    Plan,
    PlannedBand,
    PlannedFormula,
    PlannedFrequencies,
    PlannedGroup,
    PlannedInput,
    PlannedNorms,
    PlannedPart,
    PlannedProfile,
    PlannedScale,
    PlannedTable,
    Term,
)
from stanine.domain.scoring.plan_attributes import AttributeTable
from stanine.domain.scoring.ranges import Range
from stanine.domain.scoring.scale_ranges import (
    ranged_items,
    rounding_of,
    scale_order,
    scale_ranges,
)

__all__ = [
    "DECLINED",
    "ENGINE_VERSION",
    "NOT_SHOWN",
    "OMITTED",
    "Plan",
    "PlannedScale",
    "Term",
    "compile_plan",
]


def compile_plan(instrument: Instrument) -> Plan:
    """Return the plan of a checked instrument. Deterministic."""
    return _Compiler(instrument.spec).plan()


class _Compiler:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.forms = resolve(spec)
        self.places = {item: place for place, item in enumerate(self.forms)}
        self.scales = {scale.id: scale for scale in spec.scales}
        self.scale_places = {scale.id: place for place, scale in enumerate(spec.scales)}
        self.groups = {group.id: place for place, group in enumerate(spec.norm_groups)}
        self.formulas = Formulas(spec)
        self.ranges: Mapping[str, Range | None] = scale_ranges(spec, self.formulas)
        self.tables: dict[points.Table, int] = {}
        self.attributes = AttributeTable(spec)

    def plan(self) -> Plan:
        spec = self.spec
        scales = tuple(self._scale(scale) for scale in spec.scales)
        used = {group for scale in scales for group in (*scale.norms.groups, *scale.band_groups)}
        groups = tuple(
            PlannedGroup(group.id, self.attributes.clauses(group) if place in used else ())
            for place, group in enumerate(spec.norm_groups)
        )
        order = tuple(
            place
            for place in map(self.scale_places.__getitem__, scale_order(spec, self.formulas))
            if scales[place].kind != "Items"
        )
        profiles = tuple(
            PlannedProfile(
                one.id,
                tuple(map(self._part, one.of)),
                tuple(map(scale_terms.base, one.of)),
                one.top,
                one.ties,
            )
            for one in spec.profiles
        )
        return Plan(
            cells_of(self.forms.values()),
            tuple(self.tables),
            scales,
            order,
            groups,
            self.attributes.planned(),
            profiles,
        )

    def _scale(self, scale: Scale) -> PlannedScale:
        kind = scale_terms.kind_of(scale, self.forms, self.scales)
        found = derive(scale, self.spec.defaults)
        terms = scale_terms.terms_of(scale, self.forms) if kind == "Items" else []
        parts = (
            tuple(self._part(reference, scale) for reference in scale.items)
            if kind == "Scales"
            else ()
        )
        formula = self._formula(scale) if kind == "Formula" else None
        given = scale.bands if scale.bands is not None else self.spec.defaults.bands or ()
        by_group = self._in_order(given) if isinstance(given, dict) else []
        lists = (
            [given[group] for group in by_group]
            if isinstance(given, dict)
            else [given]
            if given
            else []
        )
        count = len(terms) or len(parts)
        method = scale_terms.method_of(scale, self.spec)
        assert method is not None or formula is not None
        return PlannedScale(
            id=scale.id,
            kind=kind,
            method=method or "Sum",
            terms=tuple(
                Term(
                    self.places[one.item],
                    None
                    if one.points.table is None
                    else self.tables.setdefault(one.points.table, len(self.tables)),
                    one.points.wide,
                    one.weight,
                    one.points.low,
                    one.points.high,
                    _missing_places(self.forms[one.item]) if one.points.wide is not None else (),
                )
                for one in terms
            ),
            min_valid=scale_terms.min_valid_of(scale, count),
            unanswered=scale.unanswered,
            multiply=1.0 if scale.multiply is None else scale.multiply,
            constant=scale.constant or 0.0,
            bands=tuple(
                tuple(PlannedBand(band.id, bands.start(band)) for band in its) for its in lists
            ),
            items=count if formula is None else len(formula.tree.names),
            range=self.ranges[scale.id],
            not_shown=float(scale.not_shown) if isinstance(scale.not_shown, int | float) else None,
            excludes=scale.not_shown == "Exclude"
            and any(self.forms[one.item].conditional for one in terms),
            parts=parts,
            formula=formula,
            rounding=rounding_of(scale),
            table=None if scale.lookup is None else planned_table(scale.lookup),
            norms=self._norms(scale),
            band_groups=tuple(self.groups[group] for group in by_group),
            standard=found.standard,
            report=found.report,
            reliability=scale.reliability,
            interval=found.interval,
            has_se=found.has_se,
            has_limits=found.has_limits,
            has_table_percentile=found.has_table_percentile,
            internal=scale.internal,
            ranged=ranged_items(scale, self.spec, self.forms, terms)
            if terms and scale.not_shown == "Exclude"
            else None,
            title=scale.title,
            derives=bool(
                found.standard
                or found.has_table
                or scale.norms
                or by_group
                or found.has_se
                or found.has_limits
            ),
        )

    def _in_order(self, given: "Mapping[str, tuple[Band, ...]] | Mapping[str, Norm]") -> list[str]:
        """Return norm groups in the order of the document; the first match counts."""
        return sorted(given, key=self.groups.__getitem__)

    def _norms(self, scale: Scale) -> PlannedNorms:
        groups = self._in_order(scale.norms)
        norms = [scale.norms[group] for group in groups]
        return PlannedNorms(
            tuple(self.groups[group] for group in groups),
            tuple(
                (norm.mean, norm.sd)
                for norm in norms
                if norm.mean is not None and norm.sd is not None
            ),
            tuple(planned_table(norm.lookup) for norm in norms if norm.lookup is not None),
            tuple(_frequencies(norm) for norm in norms if norm.frequencies is not None),
        )

    def _part(self, reference: str, scale: Scale | None = None) -> PlannedPart:
        name, part = scale_terms.base(reference), scale_terms.part_of(reference)
        low, high = self.ranges[name] or (0.0, 0.0)
        weight = 1.0 if scale is None else float(scale.weights.get(reference, 1.0))
        return PlannedPart(self.scale_places[name], part, weight, low, high)  # type: ignore[arg-type]

    def _formula(self, scale: Scale) -> PlannedFormula:
        tree: Formula = self.formulas.of(scale)
        return PlannedFormula(
            tree,
            tuple(self._number(name) for name in tree.numbers),
            tuple(self._value(name) for name in tree.values),
            tuple(self._value(name) for name in tree.answered),
            tuple((name, planned_table(self.scales[name].lookup or ())) for name in tree.tables),
            scale.min_valid,
        )

    def _number(self, name: str) -> PlannedInput:
        base, part = scale_terms.base(name), scale_terms.part_of(name)
        if (form := self.forms.get(base)) is not None:
            if "." in name:
                found = scale_terms.points_of_reference(name, form, minus=False, threshold=None)
            else:
                found = (
                    points.own(form, minus=False, threshold=None)
                    if form.type == "Number"
                    else points.listed(_numbers_of(form))
                )
            return PlannedInput(
                name,
                "Item",
                self.places[base],
                numbers=found.table,
                wide=found.wide,
                missing=_are_missing(form) if found.wide is not None else (),
            )
        if base in self.scales:
            return PlannedInput(name, "Scale", self.scale_places[base], part)  # type: ignore[arg-type]
        return PlannedInput(name, "Attribute", self.attributes.use(name))

    def _value(self, name: str) -> PlannedInput:
        if (form := self.forms.get(name)) is None:
            return PlannedInput(name, "Attribute", self.attributes.use(name))
        values = tuple(option.value for option in form.options)
        numbers, wide = None, None
        if form.type == "Number":
            found = points.own(form, minus=False, threshold=None)
            numbers, wide = found.table, found.wide
        elif form.type == "Multiple" and self._has_table(form):
            numbers = points.count(form).table  # None for a missing option
        return PlannedInput(
            name,
            "Item",
            self.places[name],
            numbers=numbers,
            wide=wide,
            values=values,
            missing=_are_missing(form),
        )

    def _has_table(self, form: ItemForm) -> bool:
        return points.count(form).table is not None


def _are_missing(form: ItemForm) -> tuple[bool, ...]:
    return tuple(option.missing for option in form.options)


def _missing_places(form: ItemForm) -> tuple[int, ...]:
    return tuple(place for place, option in enumerate(form.options) if option.missing)


def _numbers_of(form: ItemForm) -> list[float | None]:
    """Return the number of each option of a Choice.

    None for a missing option, and for a text, which no formula uses as a number.
    """
    return [
        None if option.missing or isinstance(option.value, str) else float(option.value)
        for option in form.options
    ]


def planned_table(rows: Sequence[LookupRow]) -> PlannedTable:
    """Return a table of scores, its rows sorted by raw score."""
    ordered = sorted(rows, key=stretch)
    return PlannedTable(
        tuple(stretch(row)[0] for row in ordered),
        tuple(stretch(row)[1] for row in ordered),
        tuple(row.score for row in ordered),
        tuple(row.se for row in ordered),
        tuple(row.low for row in ordered),
        tuple(row.high for row in ordered),
        tuple(row.percentile for row in ordered),
    )


def _frequencies(norm: Norm) -> PlannedFrequencies:
    its = norm.frequencies or ()
    raws, at, above = mid_ranks((one.raw for one in its), (one.count for one in its))
    return PlannedFrequencies(
        tuple(smallest_beyond(raw, inclusive=True) for raw in raws),
        tuple(smallest_beyond(raw, inclusive=False) for raw in raws),
        at,
        above,
    )
