"""Checks of composites, formulas and profiles: known names and parts, no cycle.

Called by `scale_checks`.
"""

from collections.abc import Mapping, Sequence

from stanine.domain import limits
from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_formula
from stanine.domain.formulas.dependencies import order
from stanine.domain.formulas.names import Names
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.decoding import several
from stanine.domain.instruments.formula_names import names_of
from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Profile, Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import derive

#: Fields that a formula replaces, by their names in a document.
_NOT_WITH_FORMULA = {"items": "items", "key": "key", "points": "points", "threshold": "threshold", "score": "score", "weights": "weights",
                     "multiply": "multiply", "constant": "constant"}  # fmt: skip
#: Fields that concern the answers to items.
_NOT_OF_SCALES = {
    "key": "key",
    "points": "points",
    "threshold": "threshold",
    "unanswered": "unanswered",
    "not_shown": "notShown",
}


def check(spec: Spec, forms: Mapping[str, ItemForm | None], faults: Faults) -> None:
    """Check formulas and profiles, and find scales that depend on themselves."""
    scales = scale_terms.first_scales(spec)
    parts: dict[str, tuple[str, ...]] = {}
    names = _names(spec, forms, faults)
    terms = sum(len(scale.items) + len(scale.key) + len(scale.points) for scale in spec.scales)
    for index, scale in enumerate(spec.scales):
        place = f"spec.scales[{index}]"
        if faults.at(place):
            continue
        too_many = terms > limits.MAX_TERMS  # formulas are not parsed then
        formula = (
            _check_formula(None if too_many else names, scale, place, faults)
            if scale.formula is not None
            else None
        )
        terms += len(formula.names) if formula is not None else 0
        if scales.get(scale.id) is scale:
            named = formula.scores if formula is not None else scale.items
            parts[scale.id] = tuple(
                dict.fromkeys(
                    one
                    for one in map(scale_terms.base, named)
                    if one in scales and one not in forms
                )
            )
    if terms > limits.MAX_TERMS and not faults.at("spec.scales"):
        detail = f"the scales and formulas name {terms} items or more, each counted where it stands; at most {limits.MAX_TERMS} are allowed"
        faults.add("spec.scales", "TooMany", detail)
    for cycle in order(parts).cycles:
        place = f"spec.scales[{next(index for index, scale in enumerate(spec.scales) if scale.id == cycle[0])}]"
        detail = (
            f'"{cycle[0]}" is made of itself'
            if len(cycle) == 1
            else f"these scales are made of each other: {', '.join(cycle)}"
        )
        faults.add(place, "Cyclic", f"{detail}; a score needs its parts first")
    for index, profile in enumerate(spec.profiles):
        place = f"spec.profiles[{index}]"
        if not faults.at(place):
            _check_profile(spec, profile, place, faults)


def _names(spec: Spec, forms: Mapping[str, ItemForm | None], faults: Faults) -> Names | None:
    """Return the names for formulas; None if they are in doubt or there are no formulas."""
    if all(scale.formula is None for scale in spec.scales):
        return None
    if (
        any(form is None for form in forms.values())
        or "" in forms
        or faults.touches("spec.attributes")
    ):
        return None
    return names_of(spec)


def _check_formula(names: Names | None, scale: Scale, place: str, faults: Faults) -> Formula | None:
    for field, name in _NOT_WITH_FORMULA.items():
        if getattr(scale, field) not in (None, (), {}) and not faults.touches(f"{place}.{name}"):
            faults.add(
                f"{place}.{name}",
                "Contradiction",
                f"a formula says all of the score; leave {name} out",
            )
    if scale.not_shown == "Exclude":
        faults.add(
            f"{place}.notShown",
            "Contradiction",
            "a formula excludes nothing: write points, or Missing",
        )
    if scale.formula is None or names is None or faults.touches(f"{place}.formula"):
        return None
    formula = check_formula(scale.formula, names, f"{place}.formula", faults)
    if formula is None:
        return None
    most = len(formula.items)
    if (
        scale.min_valid is not None
        and not faults.touches(f"{place}.minValid")
        and not 1 <= scale.min_valid <= most
    ):
        detail = f"the formula names {most} items, so at least 1 and at most {most} of them can be needed, not {scale.min_valid}"
        faults.add(
            f"{place}.minValid",
            "WrongMinValid",
            detail if most else "the formula names no items, so minValid says nothing",
        )
    return formula


def check_parts(spec: Spec, scale: Scale, place: str, faults: Faults) -> None:
    """Check the parts of a composite."""
    for field, name in _NOT_OF_SCALES.items():
        if getattr(scale, field) not in (None, (), {}) and not faults.touches(f"{place}.{name}"):
            faults.add(
                f"{place}.{name}",
                "Contradiction",
                f"{name} is about answers to items, but this scale is made of scales",
            )
    for index, reference in enumerate(scale.items):
        at = f"{place}.items[{index}]"
        if not reference or faults.touches(at):
            continue
        if reference.startswith("-"):
            faults.add(
                at,
                "Contradiction",
                "a scale cannot be reverse-keyed here: give it a weight of -1 in a Sum that needs every part",
            )
            continue
        _check_part(spec, reference, at, faults)
        if (
            scale_terms.method_of(scale, spec) == "Percent"
            and scale_terms.part_of(reference) != "raw"
        ):
            faults.add(
                at,
                "Contradiction",
                "Percent counts from the lowest to the highest raw score: name scales without a part",
            )


def _check_part(spec: Spec, reference: str, place: str, faults: Faults) -> None:
    named, part = (
        scale_terms.first_scales(spec).get(scale_terms.base(reference)),
        scale_terms.part_of(reference),
    )
    if named is None:
        if all(one.id for one in spec.scales):
            known = several([one.id for one in spec.scales])
            faults.add(
                place,
                "UnknownReference",
                f'there is no scale "{scale_terms.base(reference)}"; the document has {known}',
            )
        return
    if part == "raw" and "." not in reference:
        return
    its = next(f"spec.scales[{index}]" for index, one in enumerate(spec.scales) if one is named)
    if any(faults.touches(f"{its}.{field}") for field in ("norms", "lookup")):
        return
    has = derive(named, spec.defaults).parts
    if part not in has:
        shown = (
            f"it has {several([f'{named.id}.{one}' for one in has])}"
            if has
            else "it has neither norms nor a lookup"
        )
        faults.add(place, "UnknownReference", f'"{named.id}" has no part "{part}"; {shown}')


def _check_profile(spec: Spec, profile: Profile, place: str, faults: Faults) -> None:
    bases: list[str] = []
    for index, reference in enumerate(profile.of):
        at = f"{place}.of[{index}]"
        if not reference or faults.touches(at):
            continue
        _check_part(spec, reference, at, faults)
        if scale_terms.base(reference) in bases:
            faults.add(
                at, "DuplicateId", f'"{scale_terms.base(reference)}" stands in this profile already'
            )
        bases.append(scale_terms.base(reference))
    if (
        profile.top > len(profile.of)
        and not faults.touches(f"{place}.of")
        and not faults.touches(f"{place}.top")
    ):
        faults.add(
            f"{place}.top",
            "OutOfRange",
            f"the highest {profile.top} of {len(profile.of)} scales cannot be told",
        )
    _check_texts(profile, bases, place, faults)


def _check_texts(profile: Profile, bases: Sequence[str], place: str, faults: Faults) -> None:
    if faults.touches(f"{place}.of") or faults.touches(f"{place}.texts"):
        return
    for code in profile.texts:
        words = code.split(" ")
        if not set(words) <= set(bases) or len(set(words)) < len(words):
            example = " ".join(bases[: profile.top])
            detail = f'"{code}" is no code of this profile: write scales of it with a space between, such as "{example}"'
            faults.add(f'{place}.texts["{code}"]', "UnknownReference", detail)
