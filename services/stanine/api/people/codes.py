"""The codes of invitations: who has one may open a session with it. Used by the routes of invitations and sessions.

A code is 22 letters and digits: the invitation's random id and a MAC of it. It is stored nowhere: it is derived from the id with a secret
that lies in Redis, apart from that of the tokens, so that rotating tokens leaves the links that people were sent as they are. After a
rotation of this secret the codes of the former one are accepted until a stated time.
"""

import hmac
from hashlib import blake2b

from stanine.store.keys import INVITATION_BYTES
from stanine.store.secret import Secrets, TokenSecrets, new_secret

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
#: Bytes of the MAC, and digits that 16 bytes take.
_MAC_BYTES, CODE_LENGTH = 8, 22


class Codes:
    """Makes and reads codes, once the secrets are loaded."""

    def __init__(self, secrets: TokenSecrets) -> None:
        self._source = secrets
        self._secrets: Secrets | None = None

    async def refresh(self) -> None:
        """Read the secrets; where the server lost them, the one of this process is stored again."""
        self._secrets = await self._source.load(self._secrets or new_secret())

    async def rotate(self, keep_ms: int) -> int:
        """Make a new secret; return until when (ms since 1970) codes of the present one are accepted."""
        until = await self._source.rotate(new_secret(), keep_ms)
        await self.refresh()
        return until

    def of(self, invitation_id: bytes) -> str:
        """Return the code of an invitation."""
        return _write(invitation_id + _mac(self._known().current, invitation_id))

    def read(self, code: str) -> bytes | None:
        """Return the id of the invitation that a code is of, None for anything else; in the same time, whatever secret made it."""
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
        """Return bytes that stand for a text and do not tell it."""
        return blake2b(
            text, digest_size=size, key=self._known().current, person=b"stanine-name"
        ).digest()

    def _known(self) -> Secrets:
        assert self._secrets is not None, "nothing is accepted before the secrets are loaded"
        return self._secrets


def is_code(text: bytes) -> bool:
    """Tell whether a text looks like a code."""
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
