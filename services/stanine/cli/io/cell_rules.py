"""Rules by which the cells of one column are read: codes, missing answers, decimal marks. Used by `cell_parsers`.

A rule converts the text of a cell to the document's own coding; it never guesses.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stanine.cli.io.column_map import ColumnSettings, Scalar
from stanine.cli.io.sheet import is_text

#: Texts of a cell without a value.
NO_VALUE = frozenset({"", "NA"})
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)
#: A number with a decimal comma.
COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: Codes that programs write for missing answers; a hint names --missing.
_LIKELY_MISSING = re.compile(r"9{2,4}|-\d{1,4}|\.|-|#NULL!|null|none|nan|n/?a", re.IGNORECASE)


class CellError(Exception):
    """A cell is invalid. The message never quotes the cell."""


class Codes:
    """Codes of missing answers; numbers are compared as numbers: -99 is also -99.0."""

    def __init__(self, codes: Iterable[Scalar]) -> None:
        self.texts = frozenset(str(code) for code in codes)
        self._numbers = frozenset(
            float(text) for text in self.texts if NUMBER.fullmatch(text.replace(",", "."))
        )

    def has(self, text: str) -> bool:
        """Return whether a text is one of the codes."""
        if text in self.texts:
            return True
        plain = text.replace(",", ".") if self._numbers else ""
        return bool(plain) and NUMBER.fullmatch(plain) is not None and float(plain) in self._numbers


class CellRules(NamedTuple):
    """Rules of a column: the decimal mark, codes of missing answers, and codes with their meaning (`recode`)."""

    decimal: str = "."
    missing: Codes = Codes(())
    recode: Mapping[str, str] = {}

    def apply(self, text: str) -> str:
        """Return the text in the document's coding; empty if missing.

        Raises CellError for a code without a meaning.
        """
        if text in NO_VALUE or self.missing.has(text):
            return ""
        if self.recode:
            meaning = self.recode.get(text)
            if meaning is None and NUMBER.fullmatch(text):
                meaning = next(
                    (
                        its
                        for code, its in self.recode.items()
                        if NUMBER.fullmatch(code) and float(code) == float(text)
                    ),
                    None,
                )
            if meaning is None:
                raise CellError("not one of the codes that the column map lists")
            return meaning
        return text

    def number(self, text: str) -> str | None:
        """Return the text of a number with a decimal point; None: not a number in this file."""
        if self.recode or self.decimal == ".":
            return text if NUMBER.fullmatch(text) else None
        if COMMA_NUMBER.fullmatch(text):
            return text.replace(",", ".")
        return text if NUMBER.fullmatch(text) and "." not in text else None

    def hint(self, text: str) -> str:
        """Return the remedy for an invalid cell, after a semicolon; empty if none is known."""
        if COMMA_NUMBER.fullmatch(text) and self.decimal == ".":
            return "; for decimal commas: --decimal ,"
        if NUMBER.fullmatch(text) and "." in text and self.decimal == ",":
            return "; it has a decimal point, and the file is read with decimal commas: --decimal ."
        if _LIKELY_MISSING.fullmatch(text):
            return "; if it marks a missing answer: --missing"
        return ""


def rules_of(decimal: str, missing: Codes, settings: ColumnSettings | None) -> CellRules:
    """Return the rules of a column with these settings."""
    if settings is None:
        return CellRules(decimal, missing)
    return CellRules(
        decimal,
        Codes([*missing.texts, *settings.missing]),
        {code: "" if its is None else str(its) for code, its in settings.values.items()},
    )


def refuse_bytes(text: str) -> None:
    """Raise CellError if the text was not valid UTF-8."""
    if not is_text(text):
        raise CellError("not UTF-8 text; --encoding names the encoding of the file")
