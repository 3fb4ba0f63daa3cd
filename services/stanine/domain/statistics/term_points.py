"""The points of one attempt in the items of a scale, without NumPy. Used by `group_figures`.

The same points as `item_points`, which computes matrices: those of the scale, reversed, keyed or listed, times the weight.
"""

from stanine.domain.attempts.answer_codes import Cell
from stanine.domain.instruments.item_forms import ItemForm
from stanine.domain.scoring.explanation_answers import counted, held, points_of
from stanine.domain.scoring.index_entry import IndexEntry, item_forms
from stanine.domain.scoring.plan import PlannedScale, Term

#: Different answers of an item whose points are remembered.
_REMEMBERED = 1024


class ScalePoints:
    """Reads the points in the items of one scale from packed answers."""

    def __init__(self, entry: IndexEntry, scale: PlannedScale) -> None:
        forms, cells = item_forms(entry), entry.plan.cells
        self._terms = [
            _TermPoints(entry, scale, term, forms[term.item], cells[term.item])
            for term in scale.terms
        ]

    def read(self, packed: bytes, *, has_score: bool) -> list[float] | None:
        """Return the points of all items; None if one has none, so that the attempt is not complete.

        Points that the scale declares for an unanswered item count only with a score.
        """
        found = []
        for term in self._terms:
            points, answered = term.read(packed)
            if points is None or not (answered or has_score):
                return None
            found.append(points)
        return found


class _TermPoints:
    def __init__(
        self, entry: IndexEntry, scale: PlannedScale, term: Term, form: ItemForm, cell: Cell
    ) -> None:
        self._scale, self._term, self._form, self._cell = scale, term, form, cell
        self._table = None if term.table is None else entry.plan.tables[term.table]
        self._known: dict[bytes, tuple[float | None, bool]] = {}

    def read(self, packed: bytes) -> tuple[float | None, bool]:
        """Return the weighted points, and whether they come from an answer."""
        data = packed[self._cell.offset : self._cell.offset + self._cell.width]
        found = self._known.get(data)
        if found is None:
            (one,) = held([self._form], [self._cell], packed)
            x, counts_as = counted(self._scale, one, points_of(one, self._table, self._term.wide))
            found = None if x is None else x * self._term.weight, counts_as == "Points"
            if len(self._known) < _REMEMBERED:
                self._known[data] = found
        return found
