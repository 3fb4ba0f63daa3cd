"""Codes of invitations; a code opens a session. Used by the routes of invitations and sessions.

A code is 22 letters and digits: the invitation's random id and a MAC of it. Codes are not stored: they are derived
from the id with a secret in Redis. This secret differs from the one of tokens, so rotating tokens leaves the links
of invitations valid. After a rotation, codes of the former secret are accepted until a stated time.
"""

from hashlib import blake2b

from stanine.api.intake.shared_secret import SharedSecret
from stanine.store.keys import INVITATION_BYTES

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
#: Bytes of the MAC; digits of the encoded 16 bytes.
_MAC_BYTES, CODE_LENGTH = 8, 22


class InvitationCodes:
    """Makes and checks codes."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    def of(self, invitation_id: bytes) -> str:
        """Return the code of an invitation."""
        return _write(invitation_id + _mac(self._secret.current, invitation_id))

    def read(self, code: str) -> bytes | None:
        """Return the invitation's id from a code; None for an invalid code. Takes constant time."""
        data = _read(code)
        if data is None:
            return None
        found, mac = data[:INVITATION_BYTES], data[INVITATION_BYTES:]
        return found if self._secret.is_made(mac, lambda secret: _mac(secret, found)) else None

    def private_name(self, text: bytes, size: int) -> bytes:
        """Return bytes that are derived from a text and do not reveal it."""
        return blake2b(
            text, digest_size=size, key=self._secret.current, person=b"stanine-name"
        ).digest()


def is_code(text: bytes) -> bool:
    """Return whether a text has the syntax of a code."""
    return len(text) == CODE_LENGTH and text.isascii() and text.isalnum()


def _mac(secret: bytes, invitation_id: bytes) -> bytes:
    return blake2b(
        invitation_id, digest_size=_MAC_BYTES, key=secret, person=b"stanine-link"
    ).digest()


def _write(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), []
    for _ in range(CODE_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _read(code: str) -> bytes | None:
    if len(code) != CODE_LENGTH or not all(digit in _VALUES for digit in code):
        return None
    number = 0
    for digit in code:
        number = number * len(_DIGITS) + _VALUES[digit]
    size = INVITATION_BYTES + _MAC_BYTES
    return number.to_bytes(size, "big") if number < 1 << 8 * size else None
