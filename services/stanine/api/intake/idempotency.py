"""The Idempotency-Key header: an alternative to the key in the body. Used by the attempt routes.

Syntax: IETF draft-ietf-httpapi-idempotency-key-header, which requires double quotes.
"""

import re

from stanine.api.web.problems import MALFORMED_REQUEST, Problem
from stanine.domain.limits import MAX_KEY

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"', re.ASCII)
_BARE = re.compile(r"[!#-\[\]-~]+", re.ASCII)


def read_idempotency_key(header: bytes | None) -> str | None:
    """Return the key in a header, quoted (RFC 8941) or bare; None without the header.

    Raises the problem malformed-request.
    """
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text if _BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= MAX_KEY:
        raise Problem(
            MALFORMED_REQUEST,
            f'Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters, best in double quotes: "order-17".',
        )
    return key


def refuse_idempotency_key(header: bytes | None) -> None:
    """Refuse the header for bulk requests, in which every line has a key."""
    if header is not None:
        raise Problem(
            MALFORMED_REQUEST, "Idempotency-Key is not taken here: give each line its own `key`."
        )
