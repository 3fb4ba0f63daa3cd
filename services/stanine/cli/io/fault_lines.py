"""Writes the faults of a document as lines for standard error. Used by `publish` and `column_map`."""

from stanine.domain.errors import Fault


def locate_fault(file: str, fault: Fault) -> str:
    """Return FILE:LINE:COLUMN: text for a position in the file, else FILE: PLACE: text."""
    is_position = fault.place.replace(":", "").isdigit()
    return f"{file}:{fault}" if is_position else f"{file}: {fault}"
