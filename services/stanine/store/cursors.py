"""Cursors of lists in commit order. No I/O; called by `lists` and the API.

A position alone does not identify an item, because a server that restarts with older data assigns it again. A cursor is
an opaque list of marks: a position and the tag of the item before it, derived from the attempt's random id and the
random bytes of the commit. The first mark is the place to continue; the others, at increasing distances, locate the
last common item after the history has changed.

Positions count all items of a list. A caller without access to all of them receives sealed cursors, encrypted with a
secret of the server.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

#: First byte of a plain and of a sealed cursor.
_VERSION, _SEALED = 1, 2
_POSITION_BYTES, _TAG_BYTES = 5, 8
#: Bytes of the authentication tag of a sealed cursor.
_SEAL_BYTES = 8
#: Marks per cursor: at roughly doubling distances seven reach back more than a hundred pages.
MAX_MARKS = 8
#: Characters of the longest cursor.
MAX_CURSOR = -(-(1 + _SEAL_BYTES + MAX_MARKS * (_POSITION_BYTES + _TAG_BYTES)) * 4 // 3)


class Mark(msgspec.Struct, frozen=True):
    """A position (number of items before it) and the tag of the item before it."""

    position: int
    tag: bytes


class Cursor(msgspec.Struct, frozen=True):
    """The place after the first mark; without marks, the beginning of the list."""

    marks: tuple[Mark, ...] = ()

    @property
    def position(self) -> int:
        """The number of items before this place."""
        return self.marks[0].position if self.marks else 0

    def encode(self) -> str:
        """Return the text of the cursor."""
        return _write(bytes([_VERSION]) + self._packed())

    def seal(self, secret: bytes) -> str:
        """Return the cursor encrypted and deterministic.

        The beginning of a list is not encrypted.
        """
        if not self.marks:
            return self.encode()
        packed = self._packed()
        seal = _seal(secret, packed)
        return _write(bytes([_SEALED]) + seal + _crypt(secret, seal, packed))

    def _packed(self) -> bytes:
        return b"".join(
            [mark.position.to_bytes(_POSITION_BYTES, "big") + mark.tag for mark in self.marks]
        )


#: A cursor that matches no list.
UNKNOWN = Cursor((Mark(1, b""),))


class SealedCursor(msgspec.Struct, frozen=True):
    """A cursor from `Cursor.seal`, not yet authenticated."""

    seal: bytes
    encrypted: bytes

    def open(self, secrets: Iterable[bytes]) -> Cursor:
        """Return the cursor if one of the secrets authenticates it, else UNKNOWN."""
        for secret in secrets:
            packed = _crypt(secret, self.seal, self.encrypted)
            if _seal(secret, packed) == self.seal:
                return _unpack(packed)
        return UNKNOWN


def read_cursor(text: str) -> Cursor | SealedCursor:
    """Parse a cursor; raise ValueError.

    A positive integer, as in versions before 0.2, matches no list.
    """
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
    """Encrypt or decrypt.

    The key stream depends on the seal, which depends on the data (synthetic nonce).
    """
    stream = b"".join(
        blake2b(seal + bytes([block]), key=secret, person=b"stanine-stream").digest()
        for block in range(-(-len(data) // 64))
    )
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))


def tag_of(attempt_id: bytes, commit: bytes) -> bytes:
    """Return the tag of a result, derived from the attempt and the commit."""
    return blake2b(attempt_id + commit, digest_size=_TAG_BYTES, person=b"stanine-cursor").digest()


def move_on(cursor: Cursor, mark: Mark) -> Cursor:
    """Return the cursor after a later item, keeping earlier marks at roughly doubling distances."""
    marks, position = [mark, *cursor.marks], mark.position
    while len(marks) > MAX_MARKS:
        # Remove the mark with the smallest gap between its neighbours, relative to their distance.
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
