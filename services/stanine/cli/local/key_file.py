"""Atomic changes of the keys file that preserve other entries. Called by `keys` and `stack`.

The API validates the entries (`stanine.api.web.auth`); this module requires only a list of objects.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stanine.cli.exits import CliError, InvalidInputError
from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_json, read_yaml

#: All scopes.
SCOPES = (
    "instruments:read",
    "instruments:write",
    "attempts:write",
    "attempts:read",
    "results:read",
    "sessions:write",
    "invitations:write",
    "erase",
    "operate",
    "operate:read",
)
#: The name of the key that each `stanine up` generates.
DEVELOPMENT = "development"
#: Random bytes in a key.
_KEY_BYTES = 32
#: Seconds to wait for another writer, and between two checks.
_WAIT, _POLL = 5.0, 0.02


def make_key(prefix: str) -> str:
    """Return a new random key with a prefix."""
    return f"{prefix}-{secrets.token_urlsafe(_KEY_BYTES)}"


def make_entry(
    name: str, key: str, scopes: Sequence[str], instruments: Sequence[str], key_space: str = ""
) -> dict[str, Any]:
    """Return the entry of a key for the file, with its digest instead of the key."""
    entry = {
        "name": name,
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "scopes": list(scopes),
        "instruments": list(instruments),
    }
    return entry | ({"keySpace": key_space} if key_space else {})


@contextlib.contextmanager
def changing(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the entries of a keys file and write them at the end; an exception changes nothing.

    A missing file is empty. The new file is created exclusively, so that only one command writes at a time. Raises
    InvalidInputError if the file is not a list of keys or its directory does not exist, CliError if it cannot be
    written.
    """
    part = path.with_name(f"{path.name}.new")
    try:
        descriptor = _create(part)
    except OSError as error:
        raise InvalidInputError(f"{part}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            entries = _read(path)
            yield entries
            file.write(msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CliError(f"{path}: {error.strerror}") from None
        raise


def _create(part: Path) -> int:
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise CliError(
                    f"{part} exists: another command is writing the keys; delete the file if that command was killed"
                ) from None
            time.sleep(_POLL)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        plain = read_json(text) if text.lstrip()[:1] in {b"[", b"{"} else read_yaml(text)
    except InvalidDocument as error:
        raise InvalidInputError(f"{path}:{error.faults[0]}") from None
    if not isinstance(plain, list) or not all(isinstance(entry, dict) for entry in plain):
        raise InvalidInputError(
            f"{path}: must be a list of keys, each {{name, sha256, scopes, instruments}}"
        )
    return plain
