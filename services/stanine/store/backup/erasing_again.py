"""Erase again what an erasure journal names, on a server restored from a backup. Called by `stanine restore`.

Attempts and invitations are named by their ids, participants by MACs: every participant on the server is compared.
Erasing is idempotent, so an interrupted run is repeated.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis.asyncio

from stanine.broker.connection.functions import Library
from stanine.messages import Outbox
from stanine.store.blocks import IDS_FIELD, block_records
from stanine.store.durability import Writer
from stanine.store.erasure import Erasure
from stanine.store.errors import CorruptRecordError
from stanine.store.invitations import Invitations
from stanine.store.journal import JournalEntry, participant_mac
from stanine.store.journal_file import Journal
from stanine.store.keys import BLOCK_SIZE, INVITATION_BYTES, Keys
from stanine.store.reading import AttemptRecords
from stanine.store.records import ARRIVAL_BYTES, random_at, read_attempt
from stanine.store.secret import TokenSecrets
from stanine.store.sessions import SESSION_BYTES, Sessions
from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings_async

#: Blocks of attempts per round trip: 2,048 attempts.
_BLOCKS_PER_STEP = 64
_DAY_MS = 86_400_000


class IncompleteJournalError(Exception):
    """Entries that the server lacks were removed from the journal. Permanent: another copy of the journal is needed."""


class ErasedAgain(msgspec.Struct):
    """What was still there and is erased now; `unmatched`: entries whose secret the server does not have."""

    entries: int = 0
    attempts: int = 0
    participants: int = 0
    sessions: int = 0
    invitations: int = 0
    unmatched: int = 0


async def erase_again(
    client: "redis.asyncio.Redis", library: Library, keys: Keys, journal: Journal
) -> ErasedAgain:
    """Erase what a journal names; raise IncompleteJournalError before anything is erased, or redis-py's errors.

    Memory: the journal and the pseudonyms of erased participants that are still there.
    """
    await _refuse_incomplete(client, keys, journal)
    entries = journal.entries
    writer = Writer(client, library)
    records = AttemptRecords(client, keys)
    sessions = Sessions(client, writer, keys, Outbox(f"{keys.partition}:q:results:ready", b""))
    invitations = Invitations(client, writer, keys)
    read = await load_settings_async(client, keys, SettingsRead())
    days = read.settings.tombstone_days
    secrets = TokenSecrets(client, library, keys.erasure_secret)
    erasure = Erasure(
        client, writer, keys, records, sessions, invitations, secrets, lambda: days * _DAY_MS
    )
    done = ErasedAgain(entries=len(entries))
    for entry in entries:
        for attempt in entry.attempts:
            done.attempts += await erasure.attempt(bytes.fromhex(attempt))
        if entry.invitation:
            done.invitations += await erasure.invitation(bytes.fromhex(entry.invitation))
    known = await secrets.all_by_name()
    wanted = _by_secret(entries)
    done.unmatched = sum(
        bool(entry.participant) and not known.keys() & entry.participant.keys() for entry in entries
    )
    found: set[str] = set()
    async for participant in _participants(client, keys, sessions, invitations):
        if participant not in found and any(
            participant_mac(secret, participant) in wanted[name]
            for name, secret in known.items()
            if name in wanted
        ):
            found.add(participant)
    for participant in sorted(found):
        erased = await erasure.participant(participant)
        done.participants += 1
        done.attempts += erased.attempts
        done.sessions += erased.sessions
        done.invitations += erased.invitations
    return done


async def _refuse_incomplete(client: Any, keys: Keys, journal: Journal) -> None:
    """Raise IncompleteJournalError if the data are older than what was removed from the journal."""
    if not journal.complete_from:
        return
    found = await client.xrevrange(keys.erasures, "+", "-", 1)
    newest = int(found[0][0].split(b"-")[0]) if found else 0
    if newest < journal.complete_from:
        since = datetime.fromtimestamp(journal.complete_from / 1000, UTC)
        raise IncompleteJournalError(
            f"the journal is complete only from {since:%Y-%m-%d %H:%M} UTC on, because no kept backup needed older "
            "entries, and these data are older: join it with the copies of the journal that were made in between, "
            "without their lines with `pruned`"
        )


def _by_secret(entries: Sequence[JournalEntry]) -> Mapping[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        for name, mac in entry.participant.items():
            wanted.setdefault(name, set()).add(mac)
    return wanted


async def _participants(
    client: Any, keys: Keys, sessions: Sessions, invitations: Invitations
) -> AsyncIterator[str]:
    """Yield the participants of all attempts, sessions and invitations, with repetitions."""
    blocks = -(-int(await client.get(keys.arrivals) or 0) // BLOCK_SIZE)
    for start in range(0, blocks, _BLOCKS_PER_STEP):
        step = range(start, min(start + _BLOCKS_PER_STEP, blocks))
        pipeline = client.pipeline(transaction=False)
        for block in step:
            pipeline.hgetall(keys.attempts(block))
        for block, fields in zip(step, await pipeline.execute(), strict=True):
            ids = fields.get(IDS_FIELD.encode(), b"")
            for slot, record in block_records(fields).items():
                arrival = (block * BLOCK_SIZE + slot).to_bytes(ARRIVAL_BYTES, "big")
                try:
                    attempt = read_attempt(record, random_at(ids, slot) + arrival)
                except CorruptRecordError:  # erased
                    continue
                if attempt.participant is not None:
                    yield attempt.participant
    async for name in client.scan_iter(match=f"{keys.partition}:s:*", count=1000):
        session_id = _id_in(name, SESSION_BYTES)
        session = session_id and await sessions.read(session_id)
        if session and session.given.participant is not None:
            yield session.given.participant
    async for name in client.scan_iter(match=f"{keys.partition}:v:*", count=1000):
        invitation_id = _id_in(name, INVITATION_BYTES)
        invitation = invitation_id and await invitations.read(invitation_id)
        if invitation and invitation.given.participant is not None:
            yield invitation.given.participant


def _id_in(key: bytes, size: int) -> bytes | None:
    """Return the id at the end of a key's name."""
    try:
        found = bytes.fromhex(key.decode().rpartition(":")[2])
    except ValueError:
        return None
    return found if len(found) == size else None
