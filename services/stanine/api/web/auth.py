"""Authentication and authorization by the keys file. Used by `dispatch` and the loops.

A key is a random secret; the file has its SHA-256. A changed file is read again, so keys rotate without a restart.
"""

import fnmatch
import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from stanine.domain.errors import InvalidDocument, StanineError
from stanine.domain.instruments.document import read_json, read_yaml
from stanine.store.digests import key_space_digest

#: Maximum length of a key; longer ones are refused without being hashed.
MAX_KEY_BYTES = 256


class Scope(StrEnum):
    """A permission of an API key."""

    INSTRUMENTS_READ = "instruments:read"
    INSTRUMENTS_WRITE = "instruments:write"
    ATTEMPTS_WRITE = "attempts:write"
    ATTEMPTS_READ = "attempts:read"
    RESULTS_READ = "results:read"
    SESSIONS_WRITE = "sessions:write"
    INVITATIONS_WRITE = "invitations:write"
    ERASE = "erase"
    OPERATE = "operate"
    OPERATE_READ = "operate:read"


#: Scopes by the scope that they are included in.
_INCLUDED_IN = {Scope.OPERATE_READ: Scope.OPERATE}
#: Scopes of data that all instruments share: queues, settings, the secret of tokens.
_GLOBAL = frozenset({Scope.OPERATE, Scope.OPERATE_READ})


class KeysError(StanineError):
    """Raised for an invalid keys file; the message has the place and the remedy, and no key."""


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the keys file."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    instruments: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=128)], ...]
    #: Keys of one key space share the keys of attempts; the default space has the key's own name.
    key_space: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = msgspec.field(
        name="keySpace", default=None
    )


class Caller:
    """The owner of a key: its name, scopes, instruments, and the digest of its key space."""

    def __init__(self, entry: KeyEntry) -> None:
        self.name = entry.name
        self.digest = bytes.fromhex(entry.sha256)
        self.scopes = frozenset(entry.scopes)
        self.instruments = entry.instruments
        self.key_space = key_space_digest(entry.key_space or entry.name)
        #: True: it reaches every instrument, so that lists need no filter.
        self.sees_all = "*" in entry.instruments
        self._pattern = re.compile(
            "|".join(fnmatch.translate(glob) for glob in entry.instruments) or r"(?!)"
        )

    def refusal(self, scope: Scope) -> str | None:
        """Return why the key lacks a scope; None if it has it."""
        including = _INCLUDED_IN.get(scope)
        if scope not in self.scopes and including not in self.scopes:
            return (
                f"This needs a key with the scope {scope}{f' or {including}' if including else ''}."
            )
        if scope in _GLOBAL and not self.sees_all:
            return (
                "Queues, settings and the secret of tokens belong to all instruments, and this key is restricted to some: "
                'it needs instruments: ["*"].'
            )
        return None

    def sees(self, instrument: str) -> bool:
        """Return whether the key reaches an instrument and its data."""
        return self.sees_all or self._pattern.match(instrument) is not None


class Keyring:
    """The valid keys. `load` replaces all of them atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._callers: dict[bytes, Caller] = {}
        #: The entries of the file, in its order.
        self.entries: tuple[KeyEntry, ...] = ()

    def load(self) -> int:
        """Read the file; return the number of keys. Raises KeysError and keeps the current keys."""
        self._stamp = ()
        try:
            self._stamp = _stamp(self._path)
            text = self._path.read_bytes()
        except OSError as error:
            raise KeysError(
                f"{self._path}: {error.strerror}; STANINE_KEYS_FILE must name a file that this process may read"
            ) from None
        entries = read_entries(text, str(self._path))
        self.entries = entries
        self._callers = {caller.digest: caller for caller in map(Caller, entries)}
        return len(entries)

    def has_changed(self) -> bool:
        """Return whether the file has changed since it was last read, successfully or not."""
        try:
            return _stamp(self._path) != self._stamp
        except OSError:
            return self._stamp != ()

    def find(self, key: bytes) -> Caller | None:
        """Return the caller of a key, by its digest: the time reveals nothing about other keys."""
        return (
            self._callers.get(hashlib.sha256(key).digest())
            if 0 < len(key) <= MAX_KEY_BYTES
            else None
        )

    def of_digest(self, digest: bytes) -> Caller | None:
        """Return the caller of a key by its SHA-256; None if the key was removed from the file."""
        return self._callers.get(digest)

    def renew(self, caller: Caller) -> Caller | None:
        """Return the current permissions of a caller; None if its key was removed from the file."""
        return self.of_digest(caller.digest)


def read_entries(text: bytes, place: str) -> tuple[KeyEntry, ...]:
    """Read a keys file, YAML or JSON: a list of keys.

    Raises KeysError, in which `place` names the file.
    """
    try:
        plain = read_json(text) if text.lstrip()[:1] in b"[{" and text.strip() else read_yaml(text)
    except InvalidDocument as error:
        raise KeysError(f"{place}: {error.faults[0]}") from None
    if not isinstance(plain, list):
        raise KeysError(
            f"{place}: must be a list of keys, each {{name, sha256, scopes, instruments}}"
        )
    entries = []
    for number, each in enumerate(plain):
        try:
            entries.append(msgspec.convert(each, KeyEntry))
        except msgspec.ValidationError as error:
            raise KeysError(f"{place}: [{number}]: {error}; {_REMEDY}") from None
    for what in ("name", "sha256"):
        values = [getattr(entry, what) for entry in entries]
        for number, value in enumerate(values):
            if value in values[:number]:
                raise KeysError(
                    f"{place}: [{number}].{what}: the same as [{values.index(value)}].{what}; every key needs its own"
                )
    return tuple(entries)


_REMEDY = (
    "a key is {name, sha256: 64 lower-case hexadecimal digits (printf %s KEY | sha256sum), "
    f"scopes: a list of {', '.join(Scope)}, instruments: a list of names or globs, "
    "keySpace: optional, a name that several keys may share}"
)


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()  # follows links: a mounted Secret changes by a new link
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
