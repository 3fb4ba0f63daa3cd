"""The erasure journal: what was erased by order, so that it can be erased again on a server restored from a backup.

Functions append to a bounded stream in Redis, atomically with each erasure; `stanine backup` and a frequent small job
copy the stream to a file next to the backups, one JSON object a line. An entry has no personal data: random ids of
attempts and invitations, or a MAC of the participant's pseudonym under each secret that the server had. A restored
server has one of these secrets, and its participants are compared by their MACs. Erasures by retention are not in it:
the restored server repeats them by itself.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import redis

from stanine.store.keys import INVITATION_BYTES, Keys
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES

#: Entries per read of the stream.
PAGE = 1000
_ID_BYTES = RANDOM_BYTES + ARRIVAL_BYTES
#: Bytes of a participant's MAC.
_MAC_BYTES = 16
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class DamagedJournalError(Exception):
    """A line of a journal cannot be read; the message names file and line."""


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One erasure. `participant`: MACs by the names of the secrets."""

    #: The entry's id in the stream: server time (ms) and a number.
    id: str
    attempts: tuple[str, ...] = ()
    invitation: str = ""
    participant: dict[str, str] = {}


def participant_mac(secret: bytes, participant: str) -> str:
    """Return the MAC of a participant's pseudonym."""
    return blake2b(
        participant.encode(), digest_size=_MAC_BYTES, key=secret, person=b"stanine-erased"
    ).hexdigest()


def encode_participant(secrets: Mapping[str, bytes], participant: str) -> str:
    """Return the participant's MACs as the stream keeps them."""
    return ",".join(
        f"{name}={participant_mac(secret, participant)}" for name, secret in secrets.items()
    )


def read_stream(client: "redis.Redis", keys: Keys) -> Iterator[JournalEntry]:
    """Yield the entries in Redis, the oldest first."""
    reader: Any = client
    start = "-"
    while page := reader.xrange(keys.erasures, start, "+", PAGE):
        for entry_id, fields in page:
            yield _decode(entry_id.decode(), fields)
        start = f"({page[-1][0].decode()}"


def append_new(path: Path, entries: Iterable[JournalEntry]) -> int:
    """Append the entries that a file does not have, and sync it; return their number.

    Whole lines are compared, not ids alone: a server that lost data may give an id again. An incomplete last line, of a
    process that died, is replaced.
    """
    import fcntl  # noqa: PLC0415 - Windows has none, and imports this module for the help

    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the job that takes backups appends as well
        os.fchmod(file.fileno(), 0o640)
        file.seek(0)
        known, end = set(), 0
        for line in file:
            if not line.endswith(b"\n"):
                break
            known.add(line.rstrip(b"\n"))
            end += len(line)
        file.truncate(end)
        added = 0
        for entry in entries:
            line = msgspec.json.encode(entry)
            if line not in known:
                file.write(line + b"\n")
                added += 1
        file.flush()
        os.fsync(file.fileno())
    return added


def read_journal(path: Path) -> list[JournalEntry]:
    """Return the entries of a file; raise DamagedJournalError, OSError.

    An incomplete last line is skipped: its entry is copied again by the next job.
    """
    found = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = msgspec.json.decode(line, type=JournalEntry)
                _check(entry)
            except (msgspec.MsgspecError, ValueError) as error:
                raise DamagedJournalError(f"{path}:{number}: {error}") from None
            found.append(entry)
    return found


def _decode(entry_id: str, fields: Mapping[bytes, bytes]) -> JournalEntry:
    attempts, invitation = fields.get(b"a", b""), fields.get(b"v", b"")
    macs = fields.get(b"p", b"").decode()
    return JournalEntry(
        entry_id,
        tuple(
            attempts[start : start + _ID_BYTES].hex()
            for start in range(0, len(attempts), _ID_BYTES)
        ),
        invitation.hex(),
        dict(part.split("=", 1) for part in macs.split(",") if part),
    )


def _check(entry: JournalEntry) -> None:
    if not _ENTRY_ID.fullmatch(entry.id):
        raise ValueError(f"{entry.id!r} is no id of an entry")
    for text, size in (
        *((attempt, _ID_BYTES) for attempt in entry.attempts),
        *((entry.invitation, INVITATION_BYTES) for _ in range(bool(entry.invitation))),
    ):
        if len(bytes.fromhex(text)) != size:
            raise ValueError(f"{text!r} is no id")
