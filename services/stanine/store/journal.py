"""The erasure journal: what was erased by order, so that it can be erased again on a server restored from a backup.

Functions append to a bounded stream in Redis, atomically with each erasure; `stanine backup` and a frequent small job
copy the stream to a file next to the backups (stanine.store.journal_file). An entry has no personal data: random ids of
attempts and invitations, or a MAC of the participant's pseudonym under each secret that the server had. A restored
server has one of these secrets, and its participants are compared by their MACs. Erasures by retention are not in it:
the restored server repeats them by itself.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import redis

from stanine.store.keys import Keys
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES

#: Entries per read of the stream.
PAGE = 1000
#: Id before that of every entry.
NO_ENTRY = "0-0"
#: Bytes of an attempt's id.
ATTEMPT_BYTES = RANDOM_BYTES + ARRIVAL_BYTES
#: Bytes of a participant's MAC.
_MAC_BYTES = 16


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One erasure. `participant`: MACs by the names of the secrets; `pruned`: the mark of a file instead."""

    #: The entry's id in the stream: server time (ms) and a number.
    id: str
    attempts: tuple[str, ...] = ()
    invitation: str = ""
    participant: dict[str, str] = {}
    pruned: bool = False


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


def newest_entry(client: "redis.Redis", keys: Keys) -> str:
    """Return the id of the newest entry in Redis; NO_ENTRY if there is none."""
    reader: Any = client
    found = reader.xrevrange(keys.erasures, "+", "-", 1)
    return found[0][0].decode() if found else NO_ENTRY


def _decode(entry_id: str, fields: Mapping[bytes, bytes]) -> JournalEntry:
    attempts, invitation = fields.get(b"a", b""), fields.get(b"v", b"")
    macs = fields.get(b"p", b"").decode()
    return JournalEntry(
        entry_id,
        tuple(
            attempts[start : start + ATTEMPT_BYTES].hex()
            for start in range(0, len(attempts), ATTEMPT_BYTES)
        ),
        invitation.hex(),
        dict(part.split("=", 1) for part in macs.split(",") if part),
    )
