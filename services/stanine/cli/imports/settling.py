"""Makes a draft a valid document: drops conditions and scales that are refused, and lists them. Called by `importing`."""

import re
from collections.abc import Sequence
from typing import Any

from stanine.cli.imports.draft import Draft, add_default_scale
from stanine.domain.errors import Fault, InvalidDocument
from stanine.domain.instruments.instrument import parse_instrument

#: The place of a fault that can be cured by leaving out a condition or a scale.
_CURABLE = re.compile(r"spec\.(?:(items|sections)\[(\d+)\]\.when|scales\[(\d+)\].*)")


def settle(draft: Draft, name: str) -> dict[str, Any]:
    """Return a valid document.

    Raises InvalidDocument for faults that leaving out a condition or scale does not cure.
    """
    while True:
        document = draft.document(name)
        try:
            parse_instrument(document)
        except InvalidDocument as error:
            if not _cure(draft, error.faults):
                raise
        else:
            return document


def _cure(draft: Draft, faults: Sequence[Fault]) -> bool:
    """Leave out what the faults concern; return whether there was anything."""
    scales: dict[int, str] = {}
    cured = False
    for fault in faults:
        if (match := _CURABLE.fullmatch(fault.place)) is None:
            continue
        if match[3] is not None:
            scales.setdefault(int(match[3]), fault.detail)
            continue
        part = (draft.items if match[1] == "items" else draft.sections)[int(match[2])]
        if "when" in part:
            cured = True
            draft.omit(
                part.get("column", part["id"]), f"its condition {part.pop('when')}: {fault.detail}"
            )
    for place in sorted(scales, reverse=True):
        scale = draft.scales.pop(place)
        draft.omit(scale["id"], f"the scale: {scales[place]}")
        for words in draft.translations.values():
            words.get("scales", {}).pop(scale["id"], None)
    if scales:
        add_default_scale(draft, [])
    return cured or bool(scales)
