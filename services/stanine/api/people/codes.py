"""Codes of invitations; a code opens a session. Used by the routes of invitations and sessions.

A code is 22 letters and digits: the invitation's random id and a MAC of it. Codes are not stored: they are derived
from the id with a secret in Redis. This secret differs from the one of tokens, so rotating tokens leaves the links
of invitations valid. After a rotation, codes of the former secret are accepted until a stated time.
"""

import hmac
from hashlib import blake2b

from stanine.store.keys import INVITATION_BYTES
from stanine.store.secret import Secrets, TokenSecrets, new_secret

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
#: Bytes of the MAC; digits of the encoded 16 bytes.
_MAC_BYTES, CODE_LENGTH = 8, 22


class Codes:
    """Makes and checks codes. The secrets must be loaded first."""

    def __init__(self, secrets: TokenSecrets) -> None:
        self._source = secrets
        self._secrets: Secrets | None = None

    async def refresh(self) -> None:
        """Load the secrets. If the server lost them, store this process's current secret again."""
        self._secrets = await self._source.load(self._secrets or new_secret())

    async def rotate(self, keep_ms: int) -> int:
        """Rotate the secret; return the end of validity of the current one (ms since 1970)."""
        until = await self._source.rotate(new_secret(), keep_ms)
        await self.refresh()
        return until

    def of(self, invitation_id: bytes) -> str:
        """Return the code of an invitation."""
        return _write(invitation_id + _mac(self._known().current, invitation_id))

    def read(self, code: str) -> bytes | None:
        """Return the invitation's id from a code; None for an invalid code. Takes constant time."""
        data = _read(code)
        if data is None:
            return None
        found, secrets = data[:INVITATION_BYTES], self._known()
        matches = [
            hmac.compare_digest(_mac(each, found), data[INVITATION_BYTES:])
            for each in (secrets.current, *secrets.former)
        ]
        return found if any(matches) else None

    def private_name(self, text: bytes, size: int) -> bytes:
        """Return bytes that are derived from a text and do not reveal it."""
        return blake2b(
            text, digest_size=size, key=self._known().current, person=b"stanine-name"
        ).digest()

    def _known(self) -> Secrets:
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return self._secrets


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
