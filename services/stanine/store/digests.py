"""Digests of secrets and names: tokens, key spaces, callers' keys and participants. Used by the store and the API."""

from hashlib import blake2b

#: Bytes of the digest of a key space, of a fingerprint of a key or participant, of the content digest stored with a
#: key.
KEY_SPACE_BYTES, FINGERPRINT_BYTES, CONTENT_BYTES = 8, 8, 8
#: Bytes of an attempt's token.
TOKEN_BYTES = 16
_NO_FINGERPRINT = bytes(FINGERPRINT_BYTES)


def token(secret: bytes, attempt_id: bytes) -> str:
    """Return the token that grants access to one attempt's result.

    It is the keyed BLAKE2b of the id, 128 bits. BLAKE2b supports keys natively (RFC 7693) and takes a third of the time
    of HMAC-SHA256, which matters for each submission.
    """
    return blake2b(attempt_id, digest_size=TOKEN_BYTES, key=secret).hexdigest()


def key_space_digest(key_space: str) -> bytes:
    """Return the digest of a key space, as stored in records."""
    return blake2b(
        key_space.encode(), digest_size=KEY_SPACE_BYTES, person=b"stanine-space"
    ).digest()


def key_scope(key_space: bytes, number: int) -> bytes:
    """Return the scope in which callers' keys for an instrument are unique.

    `key_space`: the digest of the key space.
    """
    return key_space + number.to_bytes(4, "big")


def key_fingerprint(scope: bytes, key: bytes) -> bytes:
    """Return the fingerprint of a caller's key in a scope; never all NULs."""
    fingerprint = blake2b(scope + key, digest_size=FINGERPRINT_BYTES).digest()
    return fingerprint if fingerprint != _NO_FINGERPRINT else b"\1" * FINGERPRINT_BYTES


def participant_fingerprint(participant: str) -> bytes:
    """Return the fingerprint of a participant."""
    return blake2b(
        participant.encode(), digest_size=FINGERPRINT_BYTES, person=b"stanine-person"
    ).digest()
