"""Guards the texts of a CSV against spreadsheets that run a cell as a formula, and undoes it. No I/O; called by `rows` and `responses`.

A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is written with `'` before it, which marks a text in spreadsheets.
So is a text that begins with `'` and then such a character: one `'` is added when writing and one is taken away when reading, never more.
Source: OWASP, "CSV Injection". Numbers are written as they are.
"""

import re

_RUNS = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guard(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs."""
    return f"'{text}" if _RUNS.match(text) else text


def unguard(cell: str) -> str:
    """Return the text that `guard` made a cell of."""
    return cell[1:] if _GUARDED.match(cell) else cell
