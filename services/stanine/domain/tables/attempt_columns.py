"""Columns of an attempt in exports besides answers and scores. Used by the exports of API and CLI.

Names with a dot cannot be items or attributes; the others are reserved (DESIGN 4.1, ids).
"""

from collections.abc import Mapping
from typing import Literal

#: What a column contains; a time is RFC 3339, UTC.
ColumnKind = Literal["Text", "Integer", "Number", "Boolean", "Date", "Time"]

ATTEMPT_COLUMNS: Mapping[str, ColumnKind] = {
    "key": "Text",
    "attempt": "Text",
    "participant": "Text",
    "revision": "Integer",
    "attempt.state": "Text",
    "attempt.submittedAt": "Time",
    "attempt.language": "Text",
    "attempt.seconds": "Number",
}
#: After the answers: ids of the items that were not shown, separated by spaces.
NOT_SHOWN_COLUMN = "attempt.notShown"
#: Before the scores.
RESULT_COLUMNS: Mapping[str, ColumnKind] = {
    "attempt.scoringRevision": "Integer",
    "attempt.reason": "Text",
}

_SCORE_KINDS: Mapping[str, ColumnKind] = {
    **dict.fromkeys(("valid", "items", "sten", "stanine"), "Integer"),
    **dict.fromkeys(("status", "norm", "band", "bandGroup", "code"), "Text"),
    "tied": "Boolean",
}


def score_kind(field: str) -> ColumnKind:
    """Return what a field of a scale or profile contains."""
    return _SCORE_KINDS.get(field, "Number")
