"""Makes the parsers of a file's columns from a form and the user's options. Called by `responses`."""

from collections.abc import Callable, Iterator
from typing import Any

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.cell_groups import CellGroup
from stanine.cli.io.cell_parsers import (
    AttributeParser,
    CachedColumn,
    ChoiceParser,
    read_language,
    read_revision,
)
from stanine.cli.io.cell_rules import NUMBER, CellRules, Codes, rules_of
from stanine.cli.io.column_map import ColumnSettings
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import Form, ItemColumn
from stanine.cli.io.locating import LANGUAGE_COLUMN, Columns, names_of


class ColumnParsers:
    """Makes the parsers of a file's columns."""

    def __init__(self, form: Form, columns: Columns, options: FileOptions) -> None:
        """Raise InvalidInputError if a code of missing answers is also an answer."""
        self._form, self._columns, self._options = form, columns, options
        self._missing = Codes(options.missing)
        for item in form.items:
            self._refuse_codes_that_are_answers(item)

    def choice(self, item: ItemColumn) -> CachedColumn:
        """Return the parser of a Choice."""
        parser = ChoiceParser(item, self._rules(item.id), self._options.labels)
        return CachedColumn(self._columns.places[item.id][0], parser.read)

    def group(self, item: ItemColumn) -> CellGroup:
        """Return the parser of an item of another type."""
        settings, places = self._settings(item.id), self._columns.places[item.id]
        names = (item.id,) if settings.split is not None else names_of(item)
        rules = [self._rules(name if name in self._options.columns else item.id) for name in names]
        return CellGroup(item, places, rules, settings, self._options.labels)

    def about(self) -> Iterator[tuple[str, CachedColumn]]:
        """Yield the parsers of columns other than items, key and participant."""
        others = self._columns.others
        for name, read in (("revision", read_revision), (LANGUAGE_COLUMN, read_language)):
            if name in others:
                yield name, CachedColumn(others[name], self._recoded(name, read))
        for each in self._form.attributes:
            if each.id in others:
                parser = AttributeParser(each, self._rules(each.id), self._options.labels)
                yield each.id, CachedColumn(others[each.id], parser.read)

    def _recoded(self, name: str, read: Callable[[str], Any]) -> Callable[[str], Any]:
        rules = CellRules(recode=self._rules(name).recode)
        return lambda text: read(rules.apply(text))

    def _settings(self, name: str) -> ColumnSettings:
        return self._options.columns.get(name, ColumnSettings())

    def _rules(self, name: str) -> CellRules:
        return rules_of(self._options.decimal or ".", self._missing, self._settings(name))

    def _refuse_codes_that_are_answers(self, item: ItemColumn) -> None:
        """Refuse a code for all columns that an item has as an answer, unless the column map recodes the item."""
        settings = self._settings(item.id)
        if settings.values or settings.missing:
            return
        answers = [str(option) for option in item.options]
        for code in self._options.missing:
            one = Codes((code,))
            if any(one.has(answer) for answer in answers) or _is_in_range(item, code):
                raise InvalidInputError(
                    f"--missing {code}: an answer to {item.id} can be {code}; name the missing codes of each column in --columns"
                )


def _is_in_range(item: ItemColumn, code: str) -> bool:
    if item.cells is None or item.cells.form.type != "Number" or not NUMBER.fullmatch(code):
        return False
    return item.cells.form.low <= float(code) <= item.cells.form.high
