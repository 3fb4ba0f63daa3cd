"""Cursors of lists in commit order: opaque texts that recognise the item they point behind. No I/O; called by `lists` and the API.

A position alone identifies nothing: a server that comes back with older data counts on from there. So a cursor holds marks, each a position
and a tag of the item before it; the tag is made of the attempt's random id and the random bytes of the commit. The first mark is where to
continue. The others, ever further back, say how much of a changed history is still known.

Positions count all items of a list. A caller that may not see all of them gets its cursors sealed: encrypted with a secret of the server.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

#: The first byte of every cursor: of a plain one, and of a sealed one.
_VERSION, _SEALED = 1, 2
_POSITION_BYTES, _TAG_BYTES = 5, 8
#: Bytes that authenticate a sealed cursor.
_SEAL_BYTES = 8
#: Marks of a cursor: with distances that about double, seven reach back over a hundred pages.
MAX_MARKS = 8
#: Characters of the longest cursor.
MAX_CURSOR = -(-(1 + _SEAL_BYTES + MAX_MARKS * (_POSITION_BYTES + _TAG_BYTES)) * 4 // 3)


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
        return _write(bytes([_VERSION]) + self._packed())

    def seal(self, secret: bytes) -> str:
        """Return the text of the cursor, encrypted. The same cursor gives the same text; the beginning of a list is no secret."""
        if not self.marks:
            return self.encode()
        packed = self._packed()
        seal = _seal(secret, packed)
        return _write(bytes([_SEALED]) + seal + _crypt(secret, seal, packed))

    def _packed(self) -> bytes:
        return b"".join(
            [mark.position.to_bytes(_POSITION_BYTES, "big") + mark.tag for mark in self.marks]
        )


#: A cursor that no list recognises.
UNKNOWN = Cursor((Mark(1, b""),))


class SealedCursor(msgspec.Struct, frozen=True):
    """A cursor as `Cursor.seal` wrote it, or something that looks like one."""

    seal: bytes
    encrypted: bytes

    def open(self, secrets: Iterable[bytes]) -> Cursor:
        """Return the cursor that was sealed with one of the secrets, else UNKNOWN."""
        for secret in secrets:
            packed = _crypt(secret, self.seal, self.encrypted)
            if _seal(secret, packed) == self.seal:
                return _unpack(packed)
        return UNKNOWN


def read_cursor(text: str) -> Cursor | SealedCursor:
    """Read a cursor. A positive whole number, as versions before 0.2 gave, is one that no list recognises. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return Cursor((Mark(int(text), b""),)) if int(text) else Cursor()
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise ValueError("a cursor") from None
    sealed = data[:1] == bytes([_SEALED])
    before = 1 + _SEAL_BYTES if sealed else 1
    packed, size = data[before:], _POSITION_BYTES + _TAG_BYTES
    if data[:1] not in {bytes([_VERSION]), bytes([_SEALED])} or _write(data) != text:
        raise ValueError("a cursor")
    if len(packed) % size or not sealed <= len(packed) // size <= MAX_MARKS:
        raise ValueError("a cursor")
    if sealed:
        return SealedCursor(data[1:before], packed)
    cursor = _unpack(packed)
    positions = [mark.position for mark in cursor.marks]
    if positions != sorted(set(positions), reverse=True) or 0 in positions:
        raise ValueError("a cursor")
    return cursor


def _write(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpack(packed: bytes) -> Cursor:
    size = _POSITION_BYTES + _TAG_BYTES
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    return Cursor(
        tuple(
            Mark(int.from_bytes(part[:_POSITION_BYTES], "big"), part[_POSITION_BYTES:])
            for part in parts
        )
    )


def _seal(secret: bytes, packed: bytes) -> bytes:
    return blake2b(packed, digest_size=_SEAL_BYTES, key=secret, person=b"stanine-seal").digest()


def _crypt(secret: bytes, seal: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt: the key stream depends on the seal, which depends on all that is encrypted (a synthetic nonce)."""
    stream = b"".join(
        blake2b(seal + bytes([block]), key=secret, person=b"stanine-stream").digest()
        for block in range(-(-len(data) // 64))
    )
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))


def tag_of(attempt_id: bytes, commit: bytes) -> bytes:
    """Return the tag of a committed result: of this attempt, by this commit."""
    return blake2b(attempt_id + commit, digest_size=_TAG_BYTES, person=b"stanine-cursor").digest()


def move_on(cursor: Cursor, mark: Mark) -> Cursor:
    """Return the cursor behind a later item, with earlier marks kept at about doubling distances."""
    marks, position = [mark, *cursor.marks], mark.position
    while len(marks) > MAX_MARKS:
        # The one whose neighbours lie closest to each other, measured by how far back they are.
        inner = range(1, len(marks) - 1)
        marks.pop(
            min(
                inner,
                key=lambda i: (
                    (marks[i - 1].position - marks[i + 1].position)
                    / (position - marks[i + 1].position)
                ),
            )
        )
    return Cursor(tuple(marks))
