"""Verify a snapshot that a throw-away server has loaded. Called by `stanine backup` and `stanine restore`.

The server itself has checked the file's checksum while loading it. Here every attempt and result is read, and every
result compared with a fresh scoring, as `stanine check --scores` does. Index entries and attempts without a result are
no findings: a snapshot may lie between a publication and its index entry, and running watchers make both.
"""

import redis

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store import load_library
from stanine.store.audit import Auditor
from stanine.store.backup.archive import RecordCounts
from stanine.store.check import inspect
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.sweep import Sweep


class UnsoundBackupError(Exception):
    """The records of a snapshot are not sound; the message lists the findings."""


def verify(client: "redis.Redis", namespace: str) -> RecordCounts:
    """Return the numbers of records of a namespace; raise UnsoundBackupError, or redis-py's errors."""
    keys, library = Keys(namespace), load_library()
    size = int(client.dbsize())  # before the sweep writes its mark
    instruments, sweep = InstrumentHistory(client, keys), Sweep(client, library, keys)
    found = inspect(instruments, Index(client, library, keys), sweep, ENGINE_VERSION)
    audit = Auditor(client, instruments, sweep, keys).audit()
    if not audit.is_sound:
        raise UnsoundBackupError("; ".join(audit.findings()))
    return RecordCounts(
        size,
        found.instruments,
        found.attempts,
        found.results,
        found.unscored,
        audit.erased,
    )
