"""Cursors of lists in commit order: opaque texts that recognise the item they point behind. No I/O; called by `lists` and the API.

A position alone identifies nothing: a server that comes back with older data counts on from there. So a cursor holds marks, each a position
and a tag of the item before it; the tag is made of the attempt's random id and the random bytes of the commit. The first mark is where to
continue. The others, ever further back, say how much of a changed history is still known.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

import msgspec

#: The first byte of every cursor.
_VERSION = 1
_POSITION_BYTES, _TAG_BYTES = 5, 8
#: Marks of a cursor: with distances that about double, seven reach back over a hundred pages.
MAX_MARKS = 8
#: Characters of the longest cursor.
MAX_CURSOR = -(-(1 + MAX_MARKS * (_POSITION_BYTES + _TAG_BYTES)) * 4 // 3)


class Mark(msgspec.Struct, frozen=True):
    """A position in a list (how many items are before it), and the tag of the item before it."""

    position: int
    tag: bytes


class Cursor(msgspec.Struct, frozen=True):
    """Where to continue: behind the first mark; without marks at the beginning."""

    marks: tuple[Mark, ...] = ()

    @property
    def position(self) -> int:
        """How many items are before this place."""
        return self.marks[0].position if self.marks else 0

    def encode(self) -> str:
        """Return the text of the cursor."""
        data = b"".join([mark.position.to_bytes(_POSITION_BYTES, "big") + mark.tag for mark in self.marks])
        return urlsafe_b64encode(bytes([_VERSION]) + data).rstrip(b"=").decode()


def read_cursor(text: str) -> Cursor:
    """Read a cursor. A positive whole number, as versions before 0.2 gave, is one that no list recognises. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return Cursor((Mark(int(text), b""),)) if int(text) else Cursor()
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("a cursor") from None
    size = _POSITION_BYTES + _TAG_BYTES
    if data[:1] != bytes([_VERSION]) or (len(data) - 1) % size or len(data) > 1 + MAX_MARKS * size:
        raise ValueError("a cursor")
    parts = [data[start : start + size] for start in range(1, len(data), size)]
    cursor = Cursor(tuple(Mark(int.from_bytes(part[:_POSITION_BYTES], "big"), part[_POSITION_BYTES:]) for part in parts))
    positions = [mark.position for mark in cursor.marks]
    if cursor.encode() != text or positions != sorted(set(positions), reverse=True) or 0 in positions:
        raise ValueError("a cursor")
    return cursor


def tag_of(attempt_id: bytes, commit: bytes) -> bytes:
    """Return the tag of a committed result: of this attempt, by this commit."""
    return blake2b(attempt_id + commit, digest_size=_TAG_BYTES, person=b"stanine-cursor").digest()


def move_on(cursor: Cursor, position: int, tag: bytes) -> Cursor:
    """Return the cursor behind a later item, with earlier marks kept at about doubling distances."""
    marks = [Mark(position, tag), *cursor.marks]
    while len(marks) > MAX_MARKS:
        # The one whose neighbours lie closest to each other, measured by how far back they are.
        inner = range(1, len(marks) - 1)
        marks.pop(min(inner, key=lambda i: (marks[i - 1].position - marks[i + 1].position) / (position - marks[i + 1].position)))
    return Cursor(tuple(marks))
