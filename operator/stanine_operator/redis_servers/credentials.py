"""Credentials of a RedisConfig's connection, read from Secrets. Never logged or stored.

References are restricted to the RedisConfig's own namespace, so that users cannot read other Secrets through the
operator.
"""

import hashlib
import ssl
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from stanine.broker.connection.tls import make_context
from stanine_operator.controller.problems import (
    SECRET_KEY_MISSING,
    SECRET_UNREADABLE,
    OperatorProblem,
)
from stanine_operator.controller.resource import Resource

#: (namespace, name) -> the Secret's decoded data. Raises OperatorProblem.
ReadSecret = Callable[[str, str], Mapping[str, bytes]]


class SecretReference(StrEnum):
    """A Secret reference; the value is its path in `spec.connection`."""

    USERNAME = "usernameSecretRef"
    PASSWORD = "passwordSecretRef"  # noqa: S105 - the name of a field
    SENTINEL_USERNAME = "sentinel.usernameSecretRef"
    SENTINEL_PASSWORD = "sentinel.passwordSecretRef"  # noqa: S105 - likewise
    CA = "tls.caSecretRef"
    CERTIFICATE = "tls.certificateSecretRef"
    PRIVATE_KEY = "tls.privateKeySecretRef"


#: Key of the ACL file in the Secret of the password, as in the chart's.
ACL_FILE = "users.acl"


class Credentials:
    """The referenced values, and the TLS context made of them."""

    def __init__(
        self, parts: Mapping[SecretReference, bytes], *, wants_tls: bool, acl_file: bytes = b""
    ) -> None:
        self._parts = dict(parts)
        #: The server's ACL file if the Secret contains it. It holds only SHA-256 hashes of passwords.
        self.acl_file = acl_file.decode(errors="replace")
        #: Unchanged while the Secrets are unchanged. Unsalted, kept in memory only.
        named = [*sorted(parts.items()), (ACL_FILE, acl_file)]
        self.digest = hashlib.sha256(
            b"".join(f"{name}:{len(value)}:".encode() + value for name, value in named)
        ).digest()
        self.tls = _make_tls(self._parts) if wants_tls else None

    def __repr__(self) -> str:
        """Return the names of the values only."""
        return f"Credentials({', '.join(sorted(self._parts))})"

    def text(self, part: SecretReference) -> str | None:
        """Return a value as text; None if it is not referenced."""
        value = self._parts.get(part)
        return None if value is None else value.decode()


def read_credentials(redis_config: Resource, read_secret: ReadSecret) -> Credentials:
    """Read the referenced Secrets, each once.

    Raises OperatorProblem: SecretNotFound, SecretKeyMissing, SecretUnreadable.
    """
    connection = redis_config.spec.get("connection") or {}
    secrets: dict[str, Mapping[str, bytes]] = {}
    parts: dict[SecretReference, bytes] = {}
    for part in SecretReference:
        reference = _find(connection, part)
        if reference is None:
            continue
        name, key = str(reference["name"]), str(reference["key"])
        if name not in secrets:
            secrets[name] = read_secret(redis_config.namespace, name)
        if key not in secrets[name]:
            raise OperatorProblem(
                SECRET_KEY_MISSING,
                f"Secret {name} has no key {key} ({part}): add it, or correct the reference.",
            )
        parts[part] = secrets[name][key]
        _check_text(part, parts[part], name, key)
    password = _find(connection, SecretReference.PASSWORD)
    acl_file = secrets[str(password["name"])].get(ACL_FILE, b"") if password else b""
    return Credentials(parts, wants_tls="tls" in connection, acl_file=acl_file)


def _find(connection: Mapping[str, Any], part: SecretReference) -> Mapping[str, Any] | None:
    found: Any = connection
    for step in part.split("."):
        found = (found or {}).get(step)
    return found or None


def _check_text(part: SecretReference, value: bytes, name: str, key: str) -> None:
    if part in (SecretReference.CA, SecretReference.CERTIFICATE, SecretReference.PRIVATE_KEY):
        return
    try:
        value.decode()
    except UnicodeDecodeError:
        raise OperatorProblem(
            SECRET_UNREADABLE, f"Key {key} of Secret {name} is no UTF-8 text ({part}): correct it."
        ) from None
    if value.endswith(b"\n"):
        raise OperatorProblem(
            SECRET_UNREADABLE,
            f"Key {key} of Secret {name} ends with a line break ({part}): write it without (printf, not echo).",
        )


def _make_tls(parts: Mapping[SecretReference, bytes]) -> ssl.SSLContext:
    try:
        return make_context(
            parts.get(SecretReference.CA),
            parts.get(SecretReference.CERTIFICATE),
            parts.get(SecretReference.PRIVATE_KEY),
        )
    except (ssl.SSLError, ValueError, OSError):
        # The original error could quote a part of a key.
        raise OperatorProblem(
            SECRET_UNREADABLE,
            "The certificates of spec.connection.tls cannot be used: give PEM texts, the private key unencrypted.",
        ) from None
