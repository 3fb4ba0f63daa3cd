"""Unpacking: a row of bytes to the answers of a form, the inverse of `packing`. Used by the API and its exports."""

import struct
from collections.abc import Callable

from stanine.domain.attempts.answer_codes import (
    NOT_SHOWN,
    Answer,
    AnswerCoder,
    coders_of,
)
from stanine.domain.scoring.index_entry import IndexEntry, item_forms

_LENGTH = struct.Struct(">H")


class Unpacker:
    """Reads the packed answers of one form. Created once per index entry for many attempts."""

    def __init__(self, entry: IndexEntry) -> None:
        self.entry = entry
        self._size, self._has_texts = entry.plan.row_bytes, entry.plan.has_texts
        self._readers = [_reader(coder) for coder in coders_of(item_forms(entry), entry.plan.cells)]
        self._ids = [item.id for item in entry.items]
        self._texts = [item.type == "Text" for item in entry.items]

    def read(self, packed: bytes) -> tuple[dict[str, Answer | None], tuple[str, ...]]:
        """Return each item's answer, None if it has none, and the items that were not shown.

        Raises ValueError if the bytes are of another form.
        """
        size = self._size
        if len(packed) < size or (len(packed) > size and not self._has_texts):
            raise ValueError(f"{size} codes belong here, not {len(packed)}")
        found = [read(packed) for read in self._readers]
        answers = dict(zip(self._ids, [answer for answer, _ in found], strict=True))
        if self._has_texts:
            rest = packed[size:]
            for item, is_text in zip(self._ids, self._texts, strict=True):
                if is_text and answers[item] is not None:
                    answers[item], rest = _take_text(rest)
            if rest:
                raise ValueError("bytes follow the last text")
        hidden = tuple(
            item for item, (_, reason) in zip(self._ids, found, strict=True) if reason == NOT_SHOWN
        )
        return answers, hidden


def unpack_answers(entry: IndexEntry, packed: bytes) -> dict[str, Answer | None]:
    """Return each item's answer, None if it has none.

    Raises ValueError if the bytes are of another form.
    """
    return Unpacker(entry).read(packed)[0]


def not_shown(entry: IndexEntry, packed: bytes) -> tuple[str, ...]:
    """Return the items that were not shown in an attempt."""
    return Unpacker(entry).read(packed)[1]


def _reader(coder: AnswerCoder) -> Callable[[bytes], tuple[Answer | None, int]]:
    """Return a function that reads an item's answer and the reason for none.

    Answers of a cell of one byte are decoded once per code.
    """
    cell = coder.cell
    if cell.kind != "Code":
        return coder.decode
    known: dict[int, tuple[Answer | None, int]] = {}
    offset = cell.offset

    def read(packed: bytes) -> tuple[Answer | None, int]:
        code = packed[offset]
        found = known.get(code)
        if found is None:
            found = known[code] = coder.decode(packed)
        return found

    return read


def _take_text(texts: bytes) -> tuple[str, bytes]:
    if len(texts) < _LENGTH.size:
        raise ValueError("a text is missing")
    (length,) = _LENGTH.unpack_from(texts)
    end = _LENGTH.size + length
    if len(texts) < end:
        raise ValueError("a text is cut short")
    return texts[_LENGTH.size : end].decode(), texts[end:]
