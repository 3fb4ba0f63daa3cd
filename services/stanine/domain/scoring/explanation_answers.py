"""Points of one answer, by the operations of `kernel_answers` without NumPy. Used by `explanation`."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from stanine.domain.attempts.answer_codes import (
    NOT_SHOWN,
    OMITTED,
    Answer,
    AnswerCoder,
    Cell,
    coders_of,
)
from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.scoring.explanation_records import CountsAs, State
from stanine.domain.scoring.plan import PlannedScale
from stanine.domain.scoring.points import Table, Wide


class Held(msgspec.Struct, frozen=True):
    """An item's state, its answer, and its cell."""

    state: State
    answer: Answer | None
    form: ItemForm
    cell: Cell
    #: The first byte of the cell: the index into a table of points.
    code: int

    @property
    def places(self) -> list[int]:
        """Indices of the chosen options, in the order of the answer."""
        values = [option.value for option in self.form.options]
        chosen = self.answer if isinstance(self.answer, list) else []
        return [values.index(value) for value in chosen]


def held(forms: Sequence[ItemForm], cells: Sequence[Cell], packed: bytes) -> list[Held]:
    """Return each item's state in an attempt's bytes.

    Raises ValueError if the cells are of another form.
    """
    return [_held(coder, packed) for coder in coders_of(forms, cells)]


def _held(coder: AnswerCoder, packed: bytes) -> Held:
    answer, reason = coder.decode(packed)
    state: State
    if reason:
        state = {OMITTED: "Omitted", NOT_SHOWN: "NotShown"}.get(reason, "Declined")  # type: ignore[assignment]
    else:
        state = "MissingOption" if _is_missing(coder.form, answer) else "Answered"
    return Held(state, answer, coder.form, coder.cell, packed[coder.cell.offset])


def _is_missing(form: ItemForm, answer: Any) -> bool:
    if not form.options or form.type == "Ranking":
        return False
    chosen = answer if isinstance(answer, list) else [answer]
    return any(option.missing and option.value in chosen for option in form.options)


def points_of(one: Held, table: Table | None, wide: Wide | None) -> float | None:
    """Return the points of an answer by its own rule; None if it gives none."""
    if table is not None:
        return table[one.code] if one.code < len(table) else None
    if one.state != "Answered":
        return None
    assert wide is not None
    x = _wide(one, wide)
    if wide.reversal is not None:
        x = wide.reversal - x
    return x if wide.threshold is None else float(x >= wide.threshold)


def _wide(one: Held, wide: Wide) -> float:
    numbers = wide.numbers
    match wide.kind:
        case "Option":
            return float(int(numbers[0]) in one.places)
        case "Options":
            chosen, total = set(one.places), 0.0
            for place, number in enumerate(numbers):
                total += number if place in chosen else 0.0
            return total
        case "Rank":
            return numbers[1] + numbers[2] * float(one.places.index(int(numbers[0])))
    assert isinstance(one.answer, int | float)
    x = float(one.answer)
    match wide.kind:
        case "Line":
            return numbers[0] + numbers[1] * x
        case "Match":
            return float(x in numbers)
    place = bisect_right(wide.starts, x) - 1
    return numbers[min(max(place, 0), len(numbers) - 1)]


def counted(scale: PlannedScale, one: Held, points: float | None) -> tuple[float | None, CountsAs]:
    """Return the points that a scale or formula uses for an item, and what it counts as."""
    if one.state == "NotShown":
        if scale.not_shown is not None:
            return scale.not_shown, "NotShown"
        if scale.excludes:
            return None, "Excluded"
    elif points is not None:
        return points, "Points"
    if scale.unanswered is not None:
        return scale.unanswered, "Unanswered"
    return None, "Missing"
