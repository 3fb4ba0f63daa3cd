"""Splits a stream of chunks into lines of limited length; buffers at most one line.

Used by the bulk intake.
"""

import msgspec


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line that is not blank: its number from 1, and its bytes (None: over the limit)."""

    number: int
    text: bytes | None


class LineSplitter:
    """Splits chunks into lines. Bytes over `limit` are discarded as they arrive."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Line]:
        """Return the lines that end in this chunk; blank lines are counted and omitted."""
        first, *others = chunk.split(b"\n")
        self._take(first)
        if not others:
            return []
        lines: list[Line] = []
        self._end(lines)
        rest = others.pop()
        number, limit = self._number, self._limit
        for part in others:
            number += 1
            if len(part) > limit:
                lines.append(Line(number, None))
            elif part and not part.isspace():
                lines.append(Line(number, part))
        self._number = number
        self._take(rest)
        return lines

    def finish(self) -> list[Line]:
        """Return the last line if it has no line end."""
        lines: list[Line] = []
        self._end(lines)
        return lines

    def _take(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            self._begun.clear()
        elif part:
            self._begun.append(part)

    def _end(self, lines: list[Line]) -> None:
        self._number += 1
        if self._size > self._limit:
            lines.append(Line(self._number, None))
        elif self._begun:
            text = b"".join(self._begun)
            if not text.isspace():
                lines.append(Line(self._number, text))
        self._begun, self._size = [], 0
