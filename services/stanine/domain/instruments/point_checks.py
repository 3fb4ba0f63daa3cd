"""Checks of a scale's `key` and `points`: each gives every answer of its item points, once.

Called by `scale_checks`.
"""

import math
from collections.abc import Mapping

from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import member, quote, several
from stanine.domain.instruments.item_forms import ItemForm, exact, grid_of
from stanine.domain.instruments.records import Value
from stanine.domain.instruments.scale_records import PointRange, Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import DECIMALS
from stanine.domain.scoring.points import Points, match, start_of


def check_key(
    scale: Scale,
    forms: Mapping[str, ItemForm | None],
    place: str,
    faults: Faults,
    known: dict[str, Points],
) -> None:
    """Check a scale's key; add the points of its valid entries to `known`."""
    for item, right in scale.key.items():
        at, form = f"{place}.key.{item}", forms.get(item)
        if form is None or faults.touches(at):
            continue
        if form.type in ("Multiple", "Ranking"):
            hint = "points by option" if form.type == "Multiple" else "its options in items"
            faults.add(
                at, "Contradiction", f'"{item}" is a {form.type}, which has no key: give it {hint}'
            )
            continue
        values = right if isinstance(right, tuple) else (right,)
        for index, value in enumerate(values):
            _check_right(
                form,
                value,
                values[:index],
                at + (f"[{index}]" if isinstance(right, tuple) else ""),
                faults,
            )
        if not faults.touches(at):
            known[item] = match(form, values)


def _check_right(
    form: ItemForm, value: Value, before: tuple[Value, ...], place: str, faults: Faults
) -> None:
    if form.type == "Number":
        if isinstance(value, str):
            faults.add(
                place,
                "NotAnOption",
                f'"{form.id}" is answered with a number, so {quote(value)} cannot be right',
            )
        elif not form.low <= value <= form.high or (
            (grid := grid_of(form)) is not None and grid.index(float(value)) is None
        ):
            faults.add(
                place,
                "NotAnOption",
                f'{quote(value)} is no answer of "{form.id}", which takes {_answers(form)}',
            )
    else:
        option = next((one for one in form.options if one.value == value), None)
        if option is None:
            known = several([quote(one.value) for one in form.options])
            faults.add(
                place, "NotAnOption", f'{quote(value)} is no option of "{form.id}"; it has {known}'
            )
        elif option.missing:
            faults.add(
                place,
                "NotAnOption",
                f'the option {quote(value)} of "{form.id}" is missing, so it cannot be right',
            )
    if value in before and not faults.touches(place):
        faults.add(place, "DuplicateValue", f"{quote(value)} stands here twice")


def _answers(form: ItemForm) -> str:
    steps = "" if form.step is None else f" in steps of {form.step:g}"
    return f"{'whole ' if form.integer else ''}numbers from {form.low:g} to {form.high:g}{steps}"


def check_points(
    scale: Scale,
    forms: Mapping[str, ItemForm | None],
    place: str,
    faults: Faults,
    known: dict[str, Points],
) -> None:
    """Check a scale's points; add the valid ones to `known`."""
    for item, given in scale.points.items():
        at, form = f"{place}.points.{item}", forms.get(item)
        if form is None or faults.touches(at) or form.type in ("Text", "Date"):
            continue
        match form.type:
            case "Choice":
                _check_list(form, given, at, faults)
            case "Number":
                _check_ranges(form, given, at, faults)
            case "Multiple":
                _check_by_option(form, given, at, faults)
            case "Ranking":
                faults.add(
                    at,
                    "Contradiction",
                    f'"{item}" is a Ranking: name its options in items, such as {item}.{form.options[0].value}',
                )
        if not faults.touches(at):
            known[item] = scale_terms.points_given(form, given)


def _check_list(form: ItemForm, given: object, place: str, faults: Faults) -> None:
    options = form.options
    if not isinstance(given, tuple) or any(isinstance(one, PointRange) for one in given):
        faults.add(
            place,
            "PointsMismatch",
            f'"{form.id}" is a Choice: list its points, one per option in their order',
        )
        return
    if len(given) != len(options):
        detail = f'{len(given)} points stand here, but "{form.id}" has {len(options)} options: one each, in their order'
        faults.add(place, "PointsMismatch", detail)
        return
    for index, (one, option) in enumerate(zip(given, options, strict=True)):
        if option.missing and one is not None:
            faults.add(
                f"{place}[{index}]",
                "PointsMismatch",
                f"the option {quote(option.value)} is missing: write null for it",
            )
        elif one is None and not option.missing:
            detail = f"the option {quote(option.value)} needs a number; null is for missing options"
            faults.add(f"{place}[{index}]", "PointsMismatch", detail)


def _check_by_option(form: ItemForm, given: object, place: str, faults: Faults) -> None:
    if given == "count":
        return
    if not isinstance(given, dict):
        faults.add(
            place,
            "PointsMismatch",
            f'"{form.id}" is a Multiple: write its points by option, as {{a: 1, b: 2}}, or count',
        )
        return
    if not given:
        faults.add(place, "TooFew", "no option has points")
    for value in given:
        option = next((one for one in form.options if str(one.value) == value), None)
        if option is None:
            known = several([quote(str(one.value)) for one in form.options])
            faults.add(
                member(place, value),
                "NotAnOption",
                f'{quote(value)} is no option of "{form.id}"; it has {known}',
            )
        elif option.missing:
            faults.add(
                member(place, value),
                "PointsMismatch",
                f"the option {quote(value)} is missing, so it gives no points",
            )


def _check_ranges(form: ItemForm, given: object, place: str, faults: Faults) -> None:
    if not isinstance(given, tuple) or not all(isinstance(one, PointRange) for one in given):
        faults.add(
            place,
            "PointsMismatch",
            f'"{form.id}" is a Number: write its points by ranges, as [{{to: 4, points: 0}}, {{above: 4, points: 1}}]',
        )
        return
    for index, one in enumerate(given):
        check_edges(one, f"{place}[{index}]", faults)
    if faults.touches(place):
        return
    stretches = sorted((*_stretch(one, form), index) for index, one in enumerate(given))
    first, last = _ends(form)
    expected = first
    for start, end, index in stretches:
        if start >= min(end, last):
            if _grid_is_fine(form):
                continue  # a range between two answers
            faults.add(f"{place}[{index}]", "RangesGap", "no answer lies in this range")
        elif start < expected and start < last:
            faults.add(
                f"{place}[{index}]",
                "RangesOverlap",
                f"an answer lies in this range and in one before it: each of {_answers(form)} in one",
            )
            return
        elif start > expected:
            faults.add(
                f"{place}[{index}]",
                "RangesGap",
                f"an answer before this range lies in none: each of {_answers(form)} in one",
            )
            return
        expected = max(expected, end)
    if expected < last:
        faults.add(
            place,
            "RangesGap",
            f"the highest answers lie in no range: each of {_answers(form)} in one",
        )


def _grid_is_fine(form: ItemForm) -> bool:
    return grid_of(form) is not None


def _stretch(one: PointRange, form: ItemForm) -> tuple[float, float]:
    """Return a range from its first answer to the first beyond it: grid indices, else doubles."""
    grid = grid_of(form)
    if grid is None:
        start = max(start_of(one), form.low)
        end = math.inf if one.to is None else math.nextafter(one.to, math.inf)
        return start, end if one.below is None else one.below
    first, last = 0, grid.count
    if one.from_ is not None:
        first = math.ceil((exact(one.from_) - grid.start) / grid.step)
    if one.above is not None:
        first = math.floor((exact(one.above) - grid.start) / grid.step) + 1
    if one.to is not None:
        last = math.floor((exact(one.to) - grid.start) / grid.step) + 1
    if one.below is not None:
        last = math.ceil((exact(one.below) - grid.start) / grid.step)
    return max(first, 0), min(last, grid.count)


def _ends(form: ItemForm) -> tuple[float, float]:
    grid = grid_of(form)
    return (form.low, math.nextafter(form.high, math.inf)) if grid is None else (0, grid.count)


def check_edges(one: object, place: str, faults: Faults) -> None:
    """Report a range with two lower ends, two upper ends, no end, or an end with too many decimals."""
    edges = {name: getattr(one, name) for name in ("from_", "above", "to", "below")}
    if edges["from_"] is not None and edges["above"] is not None:
        faults.add(
            place,
            "Contradiction",
            "a range begins either from an end (≥) or above it (>), not both",
        )
    elif edges["to"] is not None and edges["below"] is not None:
        faults.add(
            place, "Contradiction", "a range ends either to an end (≤) or below it (<), not both"
        )
    else:
        lower = edges["from_"] if edges["from_"] is not None else edges["above"]
        upper = edges["to"] if edges["to"] is not None else edges["below"]
        is_empty = (
            lower is not None
            and upper is not None
            and (
                lower > upper
                or (lower == upper and (edges["above"], edges["below"]) != (None, None))
            )
        )
        if is_empty:
            faults.add(place, "OutOfRange", "the range ends before it begins")
    for name, edge in edges.items():
        if edge is not None and round(edge, DECIMALS) != edge:
            detail = f"an end has at most {DECIMALS} decimals, because it meets numbers rounded to {DECIMALS}"
            faults.add(f"{place}.{name.rstrip('_')}", "TooManyDecimals", detail)
