"""Layout of result records in Redis. Called by the store's modules that write or read results. Numbers are big-endian.

result    kind 1 | engine version 2 | scoring revision 4 | commit 4 | the body (`stanine.domain.scoring.result`), or for
a failure its reason as UTF-8. The commit is random for each call of `commit_results`: a result that is
committed once more, after the server came back with older data, is another one.
"""

import struct

import msgspec

from stanine.store.errors import CorruptRecordError

#: Random bytes of a commit.
COMMIT_BYTES = 4
#: Kinds of result records.
SCORED, FAILED = 1, 2
#: Kind of the result of an erased attempt: it contains only the commit, and as body the commits of earlier results. The
#: attempt's record is empty.
ERASED = 3
#: Offset of the commit in a result record.
RESULT_COMMIT = 7

_RESULT = struct.Struct(f">BHI{COMMIT_BYTES}s")


class StoredResult(msgspec.Struct, frozen=True):
    """A result as stored: scored (`body`) or failed.

    `commit`: random bytes of the committing call.
    """

    kind: int
    engine: int
    scoring_revision: int
    body: bytes
    commit: bytes = b""
    #: How many earlier results this one replaced, one after the other.
    replaced: int = 0

    @property
    def failure(self) -> str | None:
        """The reason of a failed attempt."""
        return self.body.decode() if self.kind == FAILED else None


def result_start(engine: int, scoring_revision: int, commit: bytes) -> bytes:
    """Return the record of a scored result up to its body."""
    return _RESULT.pack(SCORED, engine, scoring_revision, commit)


def failure_record(engine: int, reason: str, commit: bytes) -> bytes:
    """Return the result record of an attempt that cannot be scored.

    The reason must not quote answers.
    """
    return _RESULT.pack(FAILED, engine, 0, commit) + reason.encode()


def read_result(record: bytes) -> StoredResult:
    """Parse a result's record; raise CorruptRecordError."""
    try:
        kind, engine, revision, commit = _RESULT.unpack_from(record)
    except struct.error as error:
        raise CorruptRecordError("a result record is cut short") from error
    if kind not in {SCORED, FAILED, ERASED}:
        raise CorruptRecordError(f"a result record has the unknown kind {kind}")
    return StoredResult(kind, engine, revision, record[_RESULT.size :], commit)
