"""Parsers for the cells of Choice items, attributes and other columns. Called by `responses`."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from stanine.cli.io.cell_rules import (
    INTEGER,
    NO_VALUE,
    CellError,
    CellRules,
    refuse_bytes,
)
from stanine.cli.io.forms import AttributeColumn, ItemColumn
from stanine.cli.io.labels import LabelIndex
from stanine.domain.attempts.explain import LANGUAGE
from stanine.domain.limits import MAX_ATTRIBUTE_TEXT, MAX_LANGUAGE
from stanine.domain.tables.cell_guard import unguard

#: Code of a missing answer; other codes are option indexes, as in the domain.
MISSING = 255
#: Maximum cached cells per column: bounds the memory for invalid files.
_REMEMBERED = 1_000
#: Options listed in a message.
_NAMED = 12


class CachedColumn:
    """A column and its parser; results are cached by cell text."""

    def __init__(self, place: int, parse: Callable[[str], Any]) -> None:
        self.place = place
        self._parse = parse
        self.known: dict[str, Any] = {}

    def read(self, cell: str) -> Any:
        """Return the parsed cell. Raises CellError."""
        if cell in self.known:
            return self.known[cell]
        value = self._parse(unguard(cell.strip()))
        if len(self.known) < _REMEMBERED:
            self.known[cell] = value
        return value


class ChoiceParser:
    """Parser for the cells of a Choice: its values, or also its labels. Returns the answer's code."""

    def __init__(self, item: ItemColumn, rules: CellRules, labels: bool) -> None:
        self._options, self._rules = item.options, rules
        self._labels = LabelIndex(item.labels)
        self._by_label = labels
        self._texts = {
            option: code for code, option in enumerate(item.options) if isinstance(option, str)
        }
        self._numbers = {
            float(option): code
            for code, option in enumerate(item.options)
            if not isinstance(option, str)
        }

    def read(self, text: str) -> int:
        """Return the option's number, or MISSING. Raises CellError."""
        text = self._rules.apply(text)
        if not text:
            return MISSING
        code = self._labels.find(text) if self._by_label else None
        if code is None:
            code = self._texts.get(text)
        if code is None and (number := self._rules.number(text)) is not None:
            code = self._numbers.get(float(number))
        if code is None:
            refuse_bytes(text)
            shown = ", ".join(str(option) for option in self._options[:_NAMED]) + (
                ", …" if len(self._options) > _NAMED else ""
            )
            raise CellError(f"not one of its options ({shown}){self._hint(text)}")
        return code

    def _hint(self, text: str) -> str:
        if self._labels.has(text):
            return (
                "; several options have this label"
                if self._by_label
                else "; it is an option's label: --labels reads labels"
            )
        if _differs_in_case(text, self._options):
            return "; it differs from an option in upper and lower case"
        return self._rules.hint(text)


class AttributeParser:
    """Parser for the cells of an attribute, by its values or its type."""

    def __init__(self, attribute: AttributeColumn, rules: CellRules, labels: bool) -> None:
        self._attribute, self._rules = attribute, rules
        self._labels = LabelIndex(attribute.labels)
        self._by_label = labels

    def read(self, text: str) -> int | float | str | None:
        """Return the value, or None. Raises CellError."""
        text = self._rules.apply(text)
        if not text:
            return None
        refuse_bytes(text)
        if self._attribute.values:
            return self._one_of(self._attribute.values, text)
        if self._attribute.type == "Text":
            refuse_long(text, MAX_ATTRIBUTE_TEXT)
            return text
        number = self._rules.number(text)
        if self._attribute.type == "Integer":
            if number is None or not INTEGER.fullmatch(number):
                raise CellError(f"not a whole number{self._rules.hint(text)}")
            return int(float(number))
        if number is None:
            raise CellError(f"not a number{self._rules.hint(text)}")
        return float(number)

    def _one_of(self, values: Sequence[int | float | str], text: str) -> int | float | str:
        if self._by_label and (place := self._labels.find(text)) is not None:
            return values[place]
        if text in values:
            return text
        number = self._rules.number(text)
        for value in values:
            if not isinstance(value, str) and number is not None and float(number) == value:
                return value
        hint = "; it is a label: --labels reads labels" if self._labels.has(text) else ""
        if not hint and _differs_in_case(text, values):
            hint = "; it differs from one in upper and lower case"
        raise CellError(
            f"not one of {', '.join(str(value) for value in values)}{hint or self._rules.hint(text)}"
        )


def _differs_in_case(text: str, values: Sequence[int | float | str]) -> bool:
    return any(isinstance(one, str) and one.casefold() == text.casefold() for one in values)


def refuse_long(text: str | None, limit: int) -> None:
    """Raise CellError for a text that is too long or not UTF-8."""
    if text is None:
        return
    refuse_bytes(text)
    if len(text) > limit:
        raise CellError(f"longer than {limit} characters")


def read_revision(text: str) -> int | None:
    """Return a revision number, or None. Raises CellError."""
    if text in NO_VALUE:
        return None
    if not INTEGER.fullmatch(text) or float(text) < 1:
        raise CellError("not a revision (1, 2, …)")
    return int(float(text))


def read_language(text: str) -> str | None:
    """Return a language tag, or None. Raises CellError."""
    if text in NO_VALUE:
        return None
    if len(text) > MAX_LANGUAGE or not re.fullmatch(LANGUAGE, text, re.ASCII):
        raise CellError('not a language tag such as "en" or "pt-BR"')
    return text
