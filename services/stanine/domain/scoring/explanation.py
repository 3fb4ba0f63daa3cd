"""Explains a stored result: each step from the answers of one attempt to its scores (DESIGN 8).

Called by the API and `stanine explain`. The steps are recomputed for one attempt, without NumPy, by the arithmetic that
`compiler` defines; `agrees` states whether they give exactly the stored scores.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from stanine.domain.instruments.item_forms import resolve
from stanine.domain.instruments.records import Instrument
from stanine.domain.instruments.scale_records import Band, Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.compiler import compile_plan
from stanine.domain.scoring.explanation_answers import Held, counted, held, points_of
from stanine.domain.scoring.explanation_groups import band_place, band_step, groups_up_to_match
from stanine.domain.scoring.explanation_names import formula_step
from stanine.domain.scoring.explanation_records import (
    Explanation,
    GroupStep,
    PartStep,
    ProfileExplanation,
    ProfileValue,
    Rule,
    ScaleExplanation,
    TermStep,
)
from stanine.domain.scoring.explanation_scores import (
    error_step,
    lookup_step,
    norm_step,
    standard_scores,
)
from stanine.domain.scoring.explanation_sums import Adder, Sum
from stanine.domain.scoring.plan import PlannedProfile, PlannedScale
from stanine.domain.scoring.result_records import STATUS_NAMES, StoredScale, read_body
from stanine.domain.scoring.result_values import part_value, profile_result
from stanine.domain.scoring.rounding import nine, round_decimal


class ReaderRights(NamedTuple):
    """What the reader may see in addition to scores: answers and attributes; formulas."""

    answers: bool
    formulas: bool


class Explainer:
    """A document prepared for explaining results that it scored. Holds no data of attempts."""

    def __init__(self, instrument: Instrument) -> None:
        self.spec = instrument.spec
        self.plan = compile_plan(instrument)
        self.forms = resolve(instrument.spec)

    def explain(
        self, packed: bytes, attributes: Mapping[str, Any], body: bytes, reader: ReaderRights
    ) -> Explanation:
        """Return each step of a result. `packed`: the attempt's answers.

        Raises ValueError if the bytes cannot belong to this document.
        """
        plan = self.plan
        if len(packed) < plan.row_bytes:
            raise ValueError(f"{plan.row_bytes} bytes of answers belong here, not {len(packed)}")
        items = held(list(self.forms.values()), plan.cells, packed)
        one = _Attempt(self, items, attributes, read_body(body, plan), reader)
        return Explanation(
            scales=[one.scale(place) for place in range(len(plan.scales))],
            profiles=[one.profile(profile) for profile in plan.profiles],
        )


class _Attempt:
    """One attempt while it is explained."""

    def __init__(
        self,
        explainer: Explainer,
        items: list[Held],
        attributes: Mapping[str, Any],
        stored: list[StoredScale],
        reader: ReaderRights,
    ) -> None:
        self._spec, self._plan, self._forms = explainer.spec, explainer.plan, explainer.forms
        self._items, self._attributes, self._stored = items, attributes, stored
        self._reader = reader

    def scale(self, place: int) -> ScaleExplanation:
        """Return the steps of one scale."""
        scale, planned, stored = (
            self._spec.scales[place],
            self._plan.scales[place],
            self._stored[place],
        )
        own: dict[str, Any] = {}
        agrees, needed = True, planned.min_valid
        if planned.kind == "Formula":
            assert planned.formula is not None
            step, status = formula_step(
                planned,
                scale.formula if self._reader.formulas else None,
                self._items,
                self._attributes,
                self._part,
                shows_answers=self._reader.answers,
            )
            needed = planned.formula.min_valid or 0
            own["formula"], raw = step, step.value
            if raw is not None and planned.rounding is not None:
                raw = round_decimal(raw, planned.rounding.mode, planned.rounding.decimals)
            valid = sum(name.has_value for name in step.names)
            agrees = (raw, valid) == (stored.raw, stored.valid)
            agrees &= stored.raw is not None or status == stored.status
        else:
            kind = "terms" if planned.kind == "Items" else "parts"
            own[kind], sums = (
                self._terms(scale, planned) if kind == "terms" else self._parts(planned)
            )
            own["sum"], needed = sums.step, sums.needed
            agrees = (sums.raw, sums.valid, sums.items) == (stored.raw, stored.valid, stored.items)
            agrees &= stored.raw is not None or sums.status == stored.status
        if planned.rounding is not None:
            own["rounding"] = planned.rounding.mode
            own["decimals"] = planned.rounding.decimals
        agrees &= self._add_derived(own, scale, planned, stored)
        return ScaleExplanation(
            id=scale.id,
            kind=planned.kind,
            internal=scale.internal,
            raw=stored.raw,
            status=STATUS_NAMES[stored.status],
            valid=stored.valid,
            items=stored.items,
            needed=needed,
            agrees=agrees,
            title=UNSET if scale.title is None or scale.internal else scale.title,
            threshold=UNSET if scale.threshold is None else scale.threshold,
            **own,
        )

    def _terms(self, scale: Scale, planned: PlannedScale) -> tuple[list[TermStep], Sum]:
        adder, steps = Adder(planned), []
        names = scale_terms.terms_of(scale, self._forms)
        for named, term in zip(names, planned.terms, strict=True):
            one = self._items[term.item]
            table = None if term.table is None else self._plan.tables[term.table]
            x, counts_as = counted(planned, one, points_of(one, table, term.wide))
            adds = adder.add(
                x,
                term.weight,
                (term.low, term.high),
                valid=counts_as in ("Points", "NotShown"),
                excluded=counts_as == "Excluded",
            )
            shows = self._reader.answers and one.answer is not None and one.form.type != "Text"
            percent = planned.method == "Percent"
            steps.append(
                TermStep(
                    name=named.name,
                    state=one.state,
                    rule=_rule(scale, named.name),
                    counts_as=counts_as,
                    points=x,
                    weight=term.weight,
                    adds=adds,
                    answer=one.answer if shows and one.answer is not None else UNSET,
                    lowest=term.low if percent else UNSET,
                    highest=term.high if percent else UNSET,
                )
            )
        return steps, adder.result()

    def _parts(self, planned: PlannedScale) -> tuple[list[PartStep], Sum]:
        adder, steps = Adder(planned), []
        percent = planned.method == "Percent"
        for part in planned.parts:
            x = self._part(part.scale, part.part)
            adds = adder.add(
                x, part.weight, (part.low, part.high), valid=x is not None, excluded=False
            )
            steps.append(
                PartStep(
                    scale=self._plan.scales[part.scale].id,
                    part=part.part,
                    value=x,
                    weight=part.weight,
                    adds=adds,
                    lowest=part.low if percent else UNSET,
                    highest=part.high if percent else UNSET,
                )
            )
        return steps, adder.result()

    def _part(self, place: int, part: str) -> float | None:
        return part_value(self._plan.scales[place], self._stored[place], part)

    def _add_derived(
        self, own: dict[str, Any], scale: Scale, planned: PlannedScale, stored: StoredScale
    ) -> bool:
        """Add the scores derived from the raw score; return whether they equal the stored ones."""
        agrees, has = True, stored.raw is not None
        group = None
        if planned.norms.groups:
            looked, match = self._groups(planned.norms.groups)
            agrees &= stored.norm == (match if has else None)
            own["norm"] = norm_step(scale, planned, stored, self._plan, looked if has else [])
            group = own["norm"].group
            if standard := standard_scores(planned, stored):
                own["standard"] = standard
        if planned.has_table:
            own["lookup"] = lookup_step(scale, planned, stored, group)
        if planned.has_se or planned.has_limits:
            own["error"] = error_step(planned, stored)
        if planned.bands:
            own["band"], band_agrees = self._band(scale, planned, stored)
            agrees &= band_agrees
        return agrees

    def _band(self, scale: Scale, planned: PlannedScale, stored: StoredScale) -> tuple[Any, bool]:
        value = part_value(planned, stored, planned.report.lower())
        given = scale.bands if scale.bands is not None else self._spec.defaults.bands or ()
        agrees, groups = True, None
        bands: Sequence[Band] = () if isinstance(given, dict) else given
        if isinstance(given, dict):
            looked, match = self._groups(planned.band_groups)
            has = stored.raw is not None
            agrees = stored.band_group == (match if has else None)
            group = None
            if stored.band_group is not None:
                group = self._plan.groups[planned.band_groups[stored.band_group]].id
                bands = given[group]
            groups = (looked if has else [], group)
        its = planned.bands[stored.band_group or 0] if bands else ()
        agrees &= band_place(its, value) == stored.band
        return band_step(bands, stored.band, planned.report, value, groups), agrees

    def _groups(self, groups: Sequence[int]) -> tuple[list[GroupStep], int | None]:
        return groups_up_to_match(
            self._plan, groups, self._attributes, shows_answers=self._reader.answers
        )

    def profile(self, profile: PlannedProfile) -> ProfileExplanation:
        """Return the steps of a profile."""
        found = profile_result(profile, self._stored, self._plan)
        values = [self._part(part.scale, part.part) for part in profile.of]
        return ProfileExplanation(
            id=profile.id,
            values=[
                ProfileValue(name=name, value=None if x is None else nine(x))
                for name, x in zip(profile.names, values, strict=True)
            ],
            top=profile.top,
            ties=profile.ties,
            status=found.status,
            code=None if found.code is None else list(found.code),
            tied=found.tied,
        )


def _rule(scale: Scale, name: str) -> Rule:
    if name in scale.key:
        return "Keyed"
    if name in scale.points:
        return "Counted" if scale.points[name] == "count" else "Listed"
    return "Reversed" if f"-{name}" in scale.items else "Own"
