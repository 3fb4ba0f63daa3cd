"""Checks of norm groups, norms, tables, bands and reported units.

Called by `scale_checks`. They ensure that each score is compared with the right figures. `table_checks` checks that a
table has a row for every reachable raw score.
"""

import itertools
from collections.abc import Iterator, Sequence

from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.instruments.point_checks import check_edges
from stanine.domain.instruments.records import Attribute, Spec
from stanine.domain.instruments.scale_records import (
    Band,
    LookupRow,
    Norm,
    NormGroup,
    Scale,
    Standard,
)
from stanine.domain.instruments.value_checks import identity
from stanine.domain.scoring import bands
from stanine.domain.scoring.derived import DECIMALS, derive, norm_kind, possible_units, tables_of
from stanine.domain.scoring.intervals import stretch

#: The members of `where` for a number: the lowest and the highest.
_ENDS = 2


def check(spec: Spec, faults: Faults) -> None:
    """Check norm groups and the defaults of scales."""
    taken: dict[str, int] = {}
    attributes = {one.id: one for one in reversed(spec.attributes)}
    for index, group in enumerate(spec.norm_groups):
        place = f"spec.normGroups[{index}]"
        if group.id and group.id in taken:
            faults.add(
                f"{place}.id",
                "DuplicateId",
                f'"{group.id}" is the id of spec.normGroups[{taken[group.id]}] already',
            )
        taken.setdefault(group.id, index)
        if not faults.at(place):
            _check_where(group, attributes, place, faults)
    if spec.defaults.bands is not None:
        _check_bands(spec, spec.defaults.bands, "spec.defaults.bands", faults)
    _check_repeated(spec.defaults.standard or (), "spec.defaults.standard", faults)


def _check_where(
    group: NormGroup, attributes: dict[str, Attribute], place: str, faults: Faults
) -> None:
    for name, wanted in group.where.items():
        at = f"{place}.where.{name}"
        attribute = attributes.get(name)
        if faults.touches(at) or "" in attributes:
            continue
        if attribute is None:
            known = (
                f"the form has {several(list(attributes))}"
                if attributes
                else "the form has no attributes"
            )
            faults.add(at, "UnknownReference", f'there is no attribute "{name}"; {known}')
        elif attribute.type in ("Integer", "Number"):
            _check_number(wanted, name, at, faults)
        elif any(faults.touches(f"spec.attributes[{index}]") for index in range(len(attributes))):
            continue
        else:
            for value in wanted if isinstance(wanted, tuple) else (wanted,):
                if value is None:
                    faults.add(
                        at, "WrongType", f'null is an open end of a number, but "{name}" is none'
                    )
                elif attribute.type == "Text":
                    if not isinstance(value, str):
                        faults.add(
                            at, "NotAValue", f'"{name}" is a text: write {quote(value)} in quotes'
                        )
                elif value not in [one.value for one in attribute.options]:
                    known = several([quote(one.value) for one in attribute.options])
                    faults.add(
                        at, "NotAValue", f'{quote(value)} is no value of "{name}"; it has {known}'
                    )


def _check_number(wanted: object, name: str, place: str, faults: Faults) -> None:
    ends = wanted if isinstance(wanted, tuple) else ()
    if len(ends) != _ENDS or any(isinstance(end, str) for end in ends):
        faults.add(
            place,
            "WrongType",
            f'"{name}" is a number: write [lowest, highest], null for an open end',
        )
    elif ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        faults.add(
            place, "OutOfRange", f"the lowest, {ends[0]:g}, is above the highest, {ends[1]:g}"
        )


def check_scale(spec: Spec, scale: Scale, place: str, faults: Faults) -> None:
    """Check the scores that a scale derives from its raw score."""
    for group, norm in scale.norms.items():
        at = f"{place}.norms.{group}"
        if not _is_group(spec, group, at, faults) or faults.touches(at):
            continue
        _check_norm(norm, at, faults)
    kinds = {_kind(norm) for norm in scale.norms.values()} - {None}
    if len(kinds) > 1 and not faults.touches(f"{place}.norms"):
        faults.add(
            f"{place}.norms",
            "Contradiction",
            "the norms of a scale are all of one kind: mean and sd, or lookup, or frequencies",
        )
    if scale.norms and scale.lookup is not None:
        faults.add(
            f"{place}.norms", "Contradiction", "it has norms and a lookup of its own; leave one out"
        )
    if scale.lookup is not None:
        _check_rows(scale.lookup, f"{place}.lookup", faults)
    if scale.bands is not None:
        _check_bands(spec, scale.bands, f"{place}.bands", faults)
    if not any(
        faults.touches(f"{place}.{part}") for part in ("norms", "lookup")
    ) and not faults.touches("spec.normGroups"):
        _check_report(spec, scale, place, faults)


def _kind(norm: Norm) -> str | None:
    if norm.lookup is not None:
        return "lookup"
    if norm.frequencies is not None:
        return "frequencies"
    return None if norm.mean is None and norm.sd is None else "figures"


def _check_norm(norm: Norm, place: str, faults: Faults) -> None:
    figures = norm.mean is not None or norm.sd is not None
    if figures + (norm.lookup is not None) + (norm.frequencies is not None) != 1:
        faults.add(place, "Contradiction", "a norm has mean and sd, or a lookup, or frequencies")
        return
    if figures:
        for name in ("mean", "sd"):
            if getattr(norm, name) is None:
                faults.add(place, "MissingField", f"{name} is missing")
        if norm.sd is not None and norm.sd <= 0:
            faults.add(f"{place}.sd", "OutOfRange", "a standard deviation is above 0")
    if norm.lookup is not None:
        _check_rows(norm.lookup, f"{place}.lookup", faults)
    if norm.frequencies is not None:
        _check_frequencies(norm, f"{place}.frequencies", faults)


def _check_frequencies(norm: Norm, place: str, faults: Faults) -> None:
    first: dict[float, int] = {}
    for index, one in enumerate(norm.frequencies or ()):
        at = f"{place}[{index}]"
        if faults.touches(at):
            continue
        if round(one.raw, DECIMALS) != one.raw:
            faults.add(
                f"{at}.raw",
                "TooManyDecimals",
                f"a raw score has at most {DECIMALS} decimals here, because it meets scores rounded to {DECIMALS}",
            )
        elif one.raw in first:
            faults.add(
                f"{at}.raw",
                "DuplicateValue",
                f"the raw score {one.raw:g} stands at {place}[{first[one.raw]}] already",
            )
        first.setdefault(one.raw, index)
    if not faults.touches(place) and not sum(one.count for one in norm.frequencies or ()):
        faults.add(
            place, "OutOfRange", "nobody is counted here: a percentile needs at least one person"
        )


def _check_rows(rows: Sequence[LookupRow], place: str, faults: Faults) -> None:
    for index, row in enumerate(rows):
        at = f"{place}[{index}]"
        if faults.touches(at):
            continue
        edges = [edge for edge in (row.from_, row.above, row.to, row.below) if edge is not None]
        if (row.raw is not None) == bool(edges):
            faults.add(
                at,
                "Contradiction",
                "a row is for one raw score (raw) or for a range (from or above, to or below)",
            )
        elif row.raw is not None and round(row.raw, DECIMALS) != row.raw:
            detail = f"a raw score has at most {DECIMALS} decimals here, because it meets scores rounded to {DECIMALS}"
            faults.add(f"{at}.raw", "TooManyDecimals", detail)
        else:
            check_edges(row, at, faults)
        if row.low is not None and row.high is not None and row.low > row.high:
            faults.add(
                f"{at}.low",
                "OutOfRange",
                f"the interval ends before it begins: {row.low:g} is above {row.high:g}",
            )
    if faults.touches(place):
        return
    ordered = sorted((*stretch(row), index) for index, row in enumerate(rows))
    for (_, end, before), (start, _, index) in itertools.pairwise(ordered):
        if start < end:
            faults.add(
                f"{place}[{index}]",
                "RangesOverlap",
                f"a raw score lies in this row and in {place}[{before}]",
            )


def _check_bands(
    spec: Spec, given: "Sequence[Band] | dict[str, tuple[Band, ...]]", place: str, faults: Faults
) -> None:
    if not isinstance(given, dict):
        bands.check(given, place, faults)
        return
    if not given and not faults.touches(place):
        faults.add(place, "TooFew", "no norm group has bands here")
    for group, its in given.items():
        if _is_group(spec, group, f"{place}.{group}", faults):
            bands.check(its, f"{place}.{group}", faults)


def _is_group(spec: Spec, group: str, place: str, faults: Faults) -> bool:
    known = [one.id for one in spec.norm_groups]
    if group in known:
        return True
    if "" not in known and not faults.touches("spec.normGroups"):
        detail = f"the document has {several(known)}" if known else "the document has no normGroups"
        faults.add(place, "UnknownReference", f'there is no norm group "{group}"; {detail}')
    return False


def _check_report(spec: Spec, scale: Scale, place: str, faults: Faults) -> None:
    units, kind = possible_units(scale), norm_kind(scale)
    needs = "norms with mean and sd" + (
        " (or frequencies, for Percentile)" if kind in ("None", "Frequencies") else ""
    )
    for index, one in enumerate(scale.standard or ()):
        if one not in units:
            faults.add(
                f"{place}.standard[{index}]",
                "Contradiction",
                f"{one} needs {needs}, and the scale has none",
            )
    _check_repeated(scale.standard or (), f"{place}.standard", faults)
    if scale.report is not None and scale.report not in units:
        needed = "a lookup" if scale.report == "Score" else needs
        faults.add(
            f"{place}.report",
            "Contradiction",
            f"{scale.report} needs {needed}, and the scale has none",
        )
    if scale.interval is not None and not any(_spreads(spec, scale)):
        detail = "an interval needs a reliability and norms with mean and sd, or (Observed) a table with se that results report"
        faults.add(f"{place}.interval", "Contradiction", detail)


def _spreads(spec: Spec, scale: Scale) -> Iterator[bool]:
    """Yield whether each source of a standard error is available for a scale's interval."""
    found = derive(scale, spec.defaults)
    yield found.norms == "Figures" and scale.reliability is not None
    rows = [row for _, table in tables_of(scale) for row in table]
    observed = found.interval is not None and found.interval.kind == "Observed"
    yield found.report == "Score" and observed and any(row.se is not None for row in rows)


def _check_repeated(given: Sequence[Standard], place: str, faults: Faults) -> None:
    for index, one in enumerate(given):
        if identity(one) in given[:index] and not faults.touches(place):
            faults.add(f"{place}[{index}]", "DuplicateValue", f"{one} stands here twice")
