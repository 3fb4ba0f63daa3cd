"""Parses the cells of items of other types than Choice. Called by `responses`.

The domain's `ItemCells` reads the document's own coding; this module translates what files have into it.
"""

from collections.abc import Sequence

from stanine.cli.io.cell_rules import CellError, CellRules, refuse_bytes
from stanine.cli.io.column_map import ColumnSettings
from stanine.cli.io.forms import ItemColumn
from stanine.cli.io.labels import LabelIndex, plain_label
from stanine.domain.attempts.answer_codes import Answer
from stanine.domain.attempts.cells import ItemCells
from stanine.domain.tables.cell_guard import unguard

#: What programs write into the column of an option instead of 1 and 0, if cells have labels.
_CHOSEN = {"checked": "1", "yes": "1", "y": "1", "true": "1"} | {
    "unchecked": "0",
    "no": "0",
    "n": "0",
    "false": "0",
    "not selected": "0",
    "selected": "1",
}


class CellGroup:
    """The cells of one item: at `places`, with the rules of each."""

    def __init__(
        self,
        item: ItemColumn,
        places: Sequence[int],
        rules: Sequence[CellRules],
        settings: ColumnSettings,
        labels: bool,
    ) -> None:
        assert item.cells is not None
        self.id, self.places = item.id, places
        self._cells: ItemCells = item.cells
        self._type = item.cells.form.type
        self._rules, self._settings, self._by_label = rules, settings, labels
        self._options = [option.value for option in item.cells.form.options]
        self._labels = LabelIndex(item.labels)

    def read(self, row: Sequence[str]) -> Answer | None:
        """Return the answer in a row, or None. Raises CellError."""
        texts = []
        for place, rules in zip(self.places, self._rules, strict=True):
            refuse_bytes(row[place])
            texts.append(rules.apply(unguard(row[place].strip())))
        try:
            if self._settings.split is not None:
                return self._cells.read(self._parts(texts[0], self._settings.split))
            if self._type == "Number":
                texts = [self._number(texts[0])]
            elif self._type == "Multiple":
                texts = [self._mark(text, place) for place, text in enumerate(texts)]
                if self._settings.none_chosen == "Missing" and "1" not in texts:
                    return None
            return self._cells.read(texts)
        except ValueError as error:
            raise CellError(f"{error}{self._hint(texts)}") from None

    def _hint(self, texts: Sequence[str]) -> str:
        """Return a hint if the cells of a ranking hold its options, each once, instead of their places."""
        if self._type != "Ranking" or sorted(texts) != sorted(map(str, self._options)):
            return ""
        return "; the cells hold options: each belongs to one option and holds its place"

    def _number(self, text: str) -> str:
        if not text:
            return text
        number = self._rules[0].number(text)
        if number is None:
            raise CellError(f"a number belongs here{self._rules[0].hint(text)}")
        return number

    def _mark(self, text: str, place: int) -> str:
        """Return 1, 0 or nothing for the cell of an option; with labels, also for Checked, Yes, or its label."""
        number = self._rules[place].number(text)
        if number is not None and float(number) in (0, 1):
            return "1" if float(number) else "0"
        if not text or not self._by_label:
            return text
        if self._labels.find(text) == place:
            return "1"
        return _CHOSEN.get(plain_label(text), text)

    def _parts(self, text: str, separator: str) -> list[str]:
        """Return 1 or 0 for each option of a cell that lists the chosen ones."""
        if not text:
            return ["0" if self._settings.none_chosen == "Answered" else ""] * len(self._options)
        chosen = ["0"] * len(self._options)
        for part in text.split(separator):
            chosen[self._place(part.strip())] = "1"
        return chosen

    def _place(self, text: str) -> int:
        for place, option in enumerate(self._options):
            if str(option) == text:
                return place
        place_of_label = self._labels.find(text) if self._by_label else None
        if place_of_label is None:
            hint = "; it is a label: --labels reads labels" if self._labels.has(text) else ""
            raise CellError(f"one of the parts is not an option of this item{hint}")
        return place_of_label
