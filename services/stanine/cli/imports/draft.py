"""Collects an instrument document while another format is read. Used by `fhir` and `reproschema`.

Ids are made from the names of the source and are unique; what cannot be expressed is listed, never dropped silently.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from stanine.domain.instruments.form_checks import FILE_COLUMNS, RESERVED
from stanine.domain.instruments.value_checks import MISSING_TEXT
from stanine.domain.limits import MAX_ID, MAX_LINE, MAX_PASSAGE, MAX_TITLE, MAX_VALUE

#: Characters of a name (a DNS-1123 label).
_LABEL = 63


class Draft:
    """A document in the making.

    `left_out`: what the document does not say, each as `PLACE: text`. `notes`: other information for the user.
    """

    def __init__(self) -> None:
        self.spec: dict[str, Any] = {}
        self.items: list[dict[str, Any]] = []
        self.sections: list[dict[str, Any]] = []
        self.scales: list[dict[str, Any]] = []
        self.translations: dict[str, dict[str, Any]] = {}
        self.left_out: list[str] = []
        self.notes: list[str] = []
        self._taken: set[str] = set()
        self._columns: set[str] = set()

    def omit(self, place: str, reason: str) -> None:
        """List something that the document does not say."""
        self.left_out.append(f"{place}: {reason}")

    def make_id(self, name: str, otherwise: str = "i") -> str:
        """Return a new id made from a name."""
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
        if not re.match(r"[A-Za-z]", plain):
            plain = f"{otherwise}{plain}"
        plain = plain[: MAX_ID - 4]
        number, found = 1, plain
        while found in self._taken or found in RESERVED:
            number += 1
            found = f"{plain}_{number}"
        self._taken.add(found)
        return found

    def column(self, name: str, item: str) -> dict[str, str]:
        """Return the field that keeps the source's name of an item as its column, if it needs one."""
        if name in self._columns or name in FILE_COLUMNS:
            self.omit(name, f"the item's name; it is {item} here")
            name = item
        self._columns.add(name)
        return {} if name == item else {"column": name}

    def translate(self, language: str, *path: str, text: str) -> None:
        """Add a text in another language, such as `items`, id."""
        where = self.translations.setdefault(language, {})
        for step in path[:-1]:
            where = where.setdefault(step, {})
        where[path[-1]] = text

    def text(self, text: str, place: str, limit: int = MAX_LINE) -> str:
        """Return a text without surrounding space; one that is too long is cut and listed."""
        text = text.strip()
        if limit != MAX_PASSAGE:
            text = " ".join(text.split())
        if len(text) > limit:
            self.omit(place, f"the text after {limit:,} characters")
            text = text[:limit].rstrip()
        return text

    def set_text(self, field: str, text: Any, limit: int = MAX_TITLE) -> None:
        """Set a field of the spec if there is a text."""
        if isinstance(text, str) and text.strip():
            self.spec[field] = self.text(text, field, limit)

    def document(self, name: str) -> dict[str, Any]:
        """Return the document as plain data."""
        spec = dict(self.spec)
        items, translations = deepcopy(self.items), deepcopy(self.translations)
        if sets := _share_options(items, translations):
            spec["responseSets"] = sets
        spec["items"] = items
        if self.sections:
            spec["sections"] = self.sections
        spec["scales"] = self.scales
        if translations:
            # A document with translations names its own language; "und" is BCP 47 for an unknown one.
            spec.setdefault("language", "und")
            spec["translations"] = translations
        return {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": name},
            "spec": spec,
        }


def name_of(*texts: Any) -> str:
    """Return a name for the instrument, from the first text that gives one."""
    for text in texts:
        plain = re.sub(r"[^a-z0-9]+", "-", str(text or "").lower()).strip("-")
        if plain:
            return plain[:_LABEL].strip("-")
    return "imported"


def add_default_scale(draft: Draft, weighted: list[str]) -> None:
    """Add a scale if the source declares none: a document has at least one."""
    if draft.scales:
        return
    if weighted:
        draft.scales.append({"id": draft.make_id("total"), "items": weighted, "score": "Sum"})
        draft.notes.append(
            f"no scale is declared: {draft.scales[0]['id']} sums the {len(weighted)} items with weights; check it"
        )
    elif draft.items:
        draft.scales.append(
            {
                "id": draft.make_id("answered_items"),
                "formula": f"answered({', '.join(one['id'] for one in draft.items)})",
            }
        )
        draft.notes.append(
            "no scale and no weight is declared: answered_items counts the answers, because a document has a scale"
        )


def _share_options(
    items: list[dict[str, Any]], translations: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Move options that several items have, with equal translations, into response sets."""
    users: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        if "options" in item:
            words = [its.get("options", {}).get(item["id"]) for its in translations.values()]
            users.setdefault(repr((item["options"], words)), []).append(item)
    sets: list[dict[str, Any]] = []
    for group in users.values():
        if len(group) < 2:
            continue
        name = f"answers_{len(sets) + 1}"
        sets.append({"name": name, "options": group[0]["options"]})
        for its in translations.values():
            options = its.get("options", {})
            words = [options.pop(item["id"]) for item in group if item["id"] in options]
            if words:
                options[name] = words[0]
        for item in group:
            item.pop("options")
            item["responses"] = name
    return sets


def option_values(codes: Sequence[int | float | str], kind: str) -> list[int | float | str]:
    """Return codes as values of options: those of a Multiple name columns, and no two may read the same."""
    made: list[int | float | str] = []
    for code in codes:
        value = code
        if kind == "Multiple":
            value = re.sub(r"[^A-Za-z0-9_]", "_", str(code))
        elif isinstance(code, str):
            value = _number_or_text(" ".join(code.split()))
        number, found = 1, value
        while str(found) in map(str, made) or found in ("", MISSING_TEXT):
            number += 1
            found = f"{value}_{number}"
        made.append(found[:MAX_VALUE] if isinstance(found, str) else found)
    return made


def _number_or_text(text: str) -> int | str:
    """Return a code as files of responses read it: whole numbers are numbers."""
    return int(text) if re.fullmatch(r"0|-?[1-9]\d{0,8}", text) else text
