"""Answers against a form: to one byte per item and back. Imported by others through `response`.

A code is the place of the answer among the item's options; `scoring` names the codes of answers that are none.
"""

import math
from typing import Any

from stanine.domain.attempt import Attempt
from stanine.domain.attempt_faults import pointer
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.form_checks import DECIMAL, MISSING_TEXT
from stanine.domain.index import FormAttribute, FormItem, IndexEntry
from stanine.domain.records import Value
from stanine.domain.scoring import DECLINED, OMITTED
from stanine.domain.structure import quote, several


class Packer:
    """Packs the answers to one form. Made once per index entry and kept; threads may share it."""

    def __init__(self, entry: IndexEntry) -> None:
        self._entry = entry
        self._blank = bytes([OMITTED]) * len(entry.items)
        codes = [{option.value: code for code, option in enumerate(options)} for options in entry.option_sets]
        #: Of each item its place in the form and the codes of its options. 2.0 finds 2, since Python counts and hashes them as equal.
        self._items: dict[str, tuple[int, dict[Any, int]]] = {
            item.id: (index, codes[item.options]) for index, item in enumerate(entry.items)
        }
        self._attributes = {attribute.id: attribute for attribute in entry.attributes}
        self._cells: list[dict[str, Value]] = [{str(option.value): option.value for option in options} for options in entry.option_sets]

    def pack(self, attempt: Attempt) -> bytes:
        """Return the answers' codes, one byte per item in the form's order. Raises InvalidAttempt with all faults, attributes included."""
        answers = attempt.answers
        codes = bytearray(self._blank)
        items = self._items
        try:
            for name, value in answers.items():
                index, values = items[name]
                codes[index] = values[value]
        except (KeyError, TypeError):  # an unknown item, no option of it; a list, which cannot be looked up
            return self._explain(attempt)
        # True would find the option 1.
        if attempt.attributes or bool in set(map(type, answers.values())):
            return self._explain(attempt)
        return bytes(codes)

    def read_cell(self, item_id: str, text: str) -> Value | None:
        """Return the answer that a cell of a file holds: an option's value by its text, or a number equal to it; None if blank or NA.

        Raises InvalidAttempt if the item has no such option, KeyError if the form has no such item.
        """
        index, codes = self._items[item_id]
        cells = self._cells[self._entry.items[index].options]
        text = text.strip()
        if not text or text == MISSING_TEXT:
            return None
        if (value := cells.get(text)) is not None:
            return value
        if DECIMAL.fullmatch(text) and (code := codes.get(float(text))) is not None:
            return self._entry.option_sets[self._entry.items[index].options][code].value
        faults = Faults()
        self._not_an_option(self._entry.items[index], faults)
        raise InvalidAttempt(faults.kept, faults.count)

    def _explain(self, attempt: Attempt) -> bytes:
        """Pack slowly, collecting faults."""
        faults = Faults()
        codes = bytearray(self._blank)
        for name, value in attempt.answers.items():
            if name not in self._items:
                known = several([item.id for item in self._entry.items])
                faults.add(pointer("/answers", name), "UnknownItem", f"there is no such item; the form has {known}")
                continue
            index, values = self._items[name]
            if isinstance(value, int | float | str) and not isinstance(value, bool) and value in values:
                codes[index] = values[value]
            elif value is not None:
                self._not_an_option(self._entry.items[index], faults)
        for name, value in attempt.attributes.items():
            if name in self._attributes:
                _check_attribute(self._attributes[name], value, pointer("/attributes", name), faults)
            else:
                known = several(list(self._attributes))
                detail = f"there is no such attribute; the form has {known}" if known else "the form has no attributes"
                faults.add(pointer("/attributes", name), "UnknownAttribute", detail)
        if faults.count:
            raise InvalidAttempt(faults.kept, faults.count)
        return bytes(codes)

    def _not_an_option(self, item: FormItem, faults: Faults) -> None:
        known = several([quote(option.value) for option in self._entry.option_sets[item.options]], 12)
        faults.add(pointer("/answers", item.id), "NotAnAnswer", f"not an option of this item; it has {known}")


def unpack_answers(entry: IndexEntry, codes: bytes) -> dict[str, Value | None]:
    """Return the answer to each item of a form, None where there is none. Raises ValueError if the codes cannot be of this form."""
    if len(codes) != len(entry.items):
        raise ValueError(f"{len(entry.items)} codes belong here, not {len(codes)}")
    answers: dict[str, Value | None] = {}
    for item, code in zip(entry.items, codes, strict=True):
        options = entry.option_sets[item.options]
        if len(options) <= code < DECLINED:
            raise ValueError(f"the item {item.id} has no option {code}")
        answers[item.id] = None if code >= DECLINED else options[code].value
    return answers


def _check_attribute(attribute: FormAttribute, value: Any, place: str, faults: Faults) -> None:
    if value is None:
        return
    if attribute.values is not None:
        if isinstance(value, bool) or value not in attribute.values:
            known = several([quote(one) for one in attribute.values], 12)
            faults.add(place, "NotAValue", f"not a value of this attribute; it has {known}")
    elif attribute.type == "Text":
        if not isinstance(value, str) or not value.isprintable():
            faults.add(place, "NotAValue", "a printable text belongs here")
    elif isinstance(value, bool | str) or not math.isfinite(value) or (attribute.type == "Integer" and value != int(value)):
        faults.add(place, "NotAValue", "a whole number belongs here" if attribute.type == "Integer" else "a number belongs here")
