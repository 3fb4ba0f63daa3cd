"""Packing: answers of a form to a row of bytes. Others import this through `response`; `unpacking` is the inverse.

The row has one cell per item (`answer_codes`). The answered free texts follow it in the order of the form, each as its
length in 2 bytes and UTF-8. An item that its condition hides, given the earlier answers, is packed as not shown.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

from stanine.domain import limits
from stanine.domain.attempts.answer_codes import DECLINED, NOT_SHOWN, OMITTED, Answer, coders_of
from stanine.domain.attempts.attempt import Attempt
from stanine.domain.attempts.explain import pointer
from stanine.domain.attempts.showing import Showing
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.scoring.index_entry import FormAttribute, IndexEntry, item_forms

_LENGTH = struct.Struct(">H")


class Packer:
    """Packs the answers to one form. Created once per index entry; thread-safe."""

    def __init__(self, entry: IndexEntry) -> None:
        self._entry = entry
        forms, cells = item_forms(entry), entry.plan.cells
        self._coders = list(coders_of(forms, cells))
        self._places = {item.id: place for place, item in enumerate(entry.items)}
        self._attributes = {attribute.id: attribute for attribute in entry.attributes}
        self._blank = b"".join(coder.blank(OMITTED) for coder in self._coders)
        self._plain: dict[str, tuple[int, dict[Any, int]]] = {}
        if entry.is_plain:
            #: Of each item its index in the form and the codes of its options. 2.0 finds 2: Python compares and hashes
            #: them as equal.
            codes = [
                {option.value: code for code, option in enumerate(options)}
                for options in entry.option_sets
            ]
            self._plain = {
                item.id: (place, codes[item.options]) for place, item in enumerate(entry.items)
            }
        self._showing = (
            Showing(entry, forms) if any(item.conditions for item in entry.items) else None
        )

    def pack(self, attempt: Attempt) -> bytes:
        """Return the packed answers.

        Raises InvalidAttempt with all errors, those of attributes included.
        """
        answers = attempt.answers
        items = self._plain
        if not items or attempt.attributes:
            return self._explain(attempt)
        codes = bytearray(self._blank)
        try:
            for name, value in answers.items():
                index, values = items[name]
                codes[index] = values[value]
        except (
            KeyError,
            TypeError,
        ):  # an unknown item or option; a list, which is unhashable
            return self._explain(attempt)
        # True equals 1 and would match that option.
        if bool in set(map(type, answers.values())):
            return self._explain(attempt)
        return bytes(codes)

    def _explain(self, attempt: Attempt) -> bytes:
        """Pack slowly and collect all errors."""
        faults = Faults()
        row = bytearray(self._blank)
        given = self._known(attempt, faults)
        for name, value in attempt.attributes.items():
            if name in self._attributes:
                check_attribute(self._attributes[name], value, pointer("/attributes", name), faults)
            else:
                known = several(list(self._attributes))
                detail = (
                    f"there is no such attribute; the form has {known}"
                    if known
                    else "the form has no attributes"
                )
                faults.add(pointer("/attributes", name), "UnknownAttribute", detail)
        for place, answer in given.items():
            coder = self._coders[place]
            try:
                data = coder.encode(answer)
            except ValueError as error:
                faults.add(pointer("/answers", coder.form.id), "NotAnAnswer", str(error))
                continue
            row[coder.cell.offset : coder.cell.offset + coder.cell.width] = data
        self._refuse_same(given, faults)
        if self._showing is not None and not faults.count:
            self._hide(given, attempt, row, faults)
        texts = b"".join(self._texts(given))
        if len(row) + len(texts) > limits.MAX_PACKED_BYTES:
            faults.add(
                "/answers",
                "TooLarge",
                f"the answers take {len(row) + len(texts)} bytes; {limits.MAX_PACKED_BYTES} are allowed",
            )
        if faults.count:
            raise InvalidAttempt(faults.kept, faults.count)
        return bytes(row) + texts

    def _known(self, attempt: Attempt, faults: Faults) -> dict[int, Answer]:
        """Return the answers by item index, in the order of the form."""
        given: dict[int, Answer] = {}
        for name, value in attempt.answers.items():
            place = self._places.get(name)
            if place is None:
                known = several([item.id for item in self._entry.items])
                faults.add(
                    pointer("/answers", name),
                    "UnknownItem",
                    f"there is no such item; the form has {known}",
                )
            elif value is not None and not (
                value == "" and self._entry.items[place].type == "Text"
            ):
                given[place] = value
        return dict(sorted(given.items()))

    def _refuse_same(self, given: dict[int, Answer], faults: Faults) -> None:
        for place, answer in given.items():
            item = self._entry.items[place]
            if item.distinct_from is not None and given.get(item.distinct_from) == answer:
                other = self._entry.items[item.distinct_from].id
                faults.add(
                    pointer("/answers", item.id),
                    "NotDistinct",
                    f"the same option as the answer to {other}, from which it must differ",
                )

    def _hide(
        self, given: dict[int, Answer], attempt: Attempt, row: bytearray, faults: Faults
    ) -> None:
        assert self._showing is not None
        for place in self._showing.hidden(given, attempt.attributes):
            coder = self._coders[place]
            if place in given:
                detail = f"this item was not shown: {self._showing.why(place)}"
                faults.add(pointer("/answers", coder.form.id), "NotShown", detail)
            row[coder.cell.offset : coder.cell.offset + coder.cell.width] = coder.blank(NOT_SHOWN)

    def _texts(self, given: dict[int, Answer]) -> Iterator[bytes]:
        for place, answer in given.items():
            if self._coders[place].cell.kind == "Text" and isinstance(answer, str):
                data = answer.encode("utf-8", "replace")
                yield _LENGTH.pack(min(len(data), limits.MAX_PACKED_BYTES)) + data


def check_attribute(attribute: FormAttribute, value: Any, place: str, faults: Faults) -> None:
    """Add an error if an attribute cannot have this value."""
    if value is None:
        return
    if attribute.values is not None:
        if isinstance(value, bool) or value not in attribute.values:
            known = several([quote(one) for one in attribute.values], 12)
            faults.add(place, "NotAValue", f"not a value of this attribute; it has {known}")
    elif attribute.type == "Text":
        if not isinstance(value, str) or not value.isprintable():
            faults.add(place, "NotAValue", "a printable text belongs here")
    elif (
        isinstance(value, bool | str)
        or not math.isfinite(value)
        or (attribute.type == "Integer" and value != int(value))
    ):
        faults.add(
            place,
            "NotAValue",
            "a whole number belongs here"
            if attribute.type == "Integer"
            else "a number belongs here",
        )


__all__ = [
    "DECLINED",
    "NOT_SHOWN",
    "OMITTED",
    "Packer",
    "check_attribute",
]
