"""From an attempt's bytes to a stored attempt: the one path that single and bulk submissions share. Called by the attempts' routes.

`Intake.prepare` is pure but for the index cache; `Intake.store` gathers concurrent single submissions into one call of Redis: while one
call is under way the next requests wait together, so the more load, the fewer round trips a request, and none waits when idle.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from stanine.api.deadlines import within
from stanine.api.failures import full
from stanine.api.problems import INVALID_ATTEMPT, NOT_INDEXED, Problem, ProblemError, from_faults, not_found
from stanine.api.randoms import Randoms
from stanine.domain.errors import InvalidAttempt
from stanine.domain.index import IndexEntry
from stanine.domain.response import Attempt, Packer, decode_attempt, meaning
from stanine.store.attempts import MAX_SUBMISSIONS, Attempts, Submission, Submitted
from stanine.store.index import EntryCache
from stanine.store.instruments import Instruments

#: Single submissions gathered into one call: it holds Redis for well under a millisecond.
MAX_GATHERED = 128

Waiting = tuple[Submission, "asyncio.Future[Submitted]"]


class UnknownRevision(Problem):
    """Raised for an attempt at a revision that there is not."""

    def __init__(self, newest: int) -> None:
        fault = ProblemError("/revision", "UnknownReference", f"the newest revision is {newest}")
        super().__init__(INVALID_ATTEMPT, "1 thing is wrong; see errors", errors=[fault], error_count=1)


class Intake:
    """Reads, checks and stores attempts."""

    def __init__(self, attempts: Attempts, instruments: Instruments, entries: EntryCache) -> None:
        self._attempts = attempts
        self._instruments = instruments
        self._entries = entries
        #: Whether Redis is too full for new work; set by the loop that watches it.
        self.is_full = False
        self._packers: dict[tuple[int, int], tuple[IndexEntry, Packer]] = {}
        self._randoms = Randoms()
        self._waiting: deque[Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    def admit(self) -> None:
        """Raise the problem `full` while Redis is too full for new work."""
        if self.is_full:
            raise full()

    async def entry(self, name: str, revision: int | None) -> IndexEntry:
        """Return the index entry that an attempt at an instrument belongs to.

        Raises a Problem: not-found for no such instrument, UnknownRevision, not-indexed while it is being built.
        """
        entry = self._entries.newest(name) if revision is None else self._entries.answered(name, revision)
        if entry is not None:
            return entry
        stored = await within(self._instruments.read(name))
        if stored is None:
            raise not_found()
        if revision is not None and revision > stored.revision:
            raise UnknownRevision(stored.revision)
        raise Problem(NOT_INDEXED, f"The indexWatcher is building the entry of {name!r}.")

    def read(self, text: bytes) -> Attempt:
        """Read an attempt; raises a Problem (invalid-attempt)."""
        try:
            return decode_attempt(text)
        except InvalidAttempt as error:
            raise from_faults(INVALID_ATTEMPT, error) from None

    def prepare(self, attempt: Attempt, entry: IndexEntry) -> Submission:
        """Check an attempt against its form and pack it; raises InvalidAttempt with all faults."""
        return Submission(
            number=entry.number,
            revision=attempt.revision or entry.revision,
            codes=self._packer(entry).pack(attempt),
            meaning=meaning(attempt),
            id_random=self._randoms.take(),
            key=attempt.key,
            participant=attempt.participant,
            attributes=attempt.attributes,
        )

    async def answered_before(self, attempt: Attempt, entry: IndexEntry) -> Submitted | None:
        """Return what the key of an attempt that does not fit the newest form stands for: a repeat stays valid after a new revision."""
        if attempt.key is None or attempt.revision is not None or entry.form == 1:
            return None  # it was, or would have been, checked against this very form
        return await within(self._attempts.known(entry.number, attempt.key, meaning(attempt)))

    async def submit(self, attempt: Attempt, entry: IndexEntry, trace: bytes) -> Submitted:
        """Check and store one attempt. Raises a Problem (invalid-attempt), or redis-py's errors where the outcome is unknown."""
        try:
            submission = self.prepare(attempt, entry)
        except InvalidAttempt as error:
            known = await self.answered_before(attempt, entry)
            if known is None:
                raise from_faults(INVALID_ATTEMPT, error) from None
            return known
        self.admit()
        if trace:  # a message has one producer, so a traced submission is a message of its own
            return (await within(self._attempts.submit([submission], trace=trace)))[0]
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await future  # type: ignore[no-any-return]

    async def submit_many(self, submissions: Sequence[Submission], trace: bytes) -> list[Submitted]:
        """Store attempts that were prepared, at most MAX_SUBMISSIONS."""
        assert len(submissions) <= MAX_SUBMISSIONS
        return await within(self._attempts.submit(submissions, trace=trace))

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GATHERED))]
                await self._send_batch(batch)
        finally:
            self._sending = None

    async def _send_batch(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await within(self._attempts.submit([submission for submission, _ in batch]))
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():  # its client may have gone
                future.set_result(outcome)

    def _packer(self, entry: IndexEntry) -> Packer:
        known = self._packers.get((entry.number, entry.form))
        if known is not None and known[0] is entry:
            return known[1]
        packer = Packer(entry)
        self._packers[entry.number, entry.form] = (entry, packer)
        return packer
