"""Escapes CSV texts that spreadsheets would run as formulas. Used by all CSV writers and readers.

A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a leading `'`, which marks text in
spreadsheets. So does a text that begins with `'` and such a character, so that reading restores every text exactly.
Source: OWASP, "CSV Injection". Numbers are not escaped.
"""

import re

_RUNS = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guard(text: str) -> str:
    """Return a text as a cell that spreadsheets do not run."""
    return f"'{text}" if _RUNS.match(text) else text


def unguard(cell: str) -> str:
    """Return the text that `guard` escaped."""
    return cell[1:] if _GUARDED.match(cell) else cell
