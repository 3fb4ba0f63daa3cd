"""Runs of re-scoring: their record, how they are started and continued. Used by API, operator and resultWatcher.

A run covers an instrument's commit log as it was at the start, in steps. The record has the position of the next step
and the report so far; a step is committed only at that position (`functions/rescoring.lua`), so it counts once however
often it runs. A run is scored by the newest revisions of the instrument's forms at its start, named by their digests.
"""

import struct
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec
import redis
import redis.asyncio

from stanine.broker.connection.functions import Argument, Library
from stanine.messages import Outbox, RescoringStep
from stanine.store.digests import FINGERPRINT_BYTES, participant_fingerprint
from stanine.store.durability import Writer
from stanine.store.instruments import History, InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.records import ARRIVAL_BYTES
from stanine.store.result_layout import COMMIT_BYTES, RESULT_COMMIT

State = Literal["Running", "Completed", "Failed"]

_LENGTH = struct.Struct(">I")
_PERSON = struct.Struct(f">H{FINGERPRINT_BYTES}s")
#: Bytes of a result record that identify it: up to and including the random bytes of its commit.
_HEAD = RESULT_COMMIT + COMMIT_BYTES


class Scoring(msgspec.Struct, frozen=True):
    """The revision that scores a form, and the digest of its document."""

    revision: int
    digest: str


class Rescoring(msgspec.Struct, frozen=True):
    """A run as stored. Times are ms since 1970 by the server's clock; positions count entries of the commit log."""

    id: bytes
    number: int
    name: str
    token: str
    dry_run: bool
    #: The instrument's newest revision at the start, and the scoring of each form.
    revision: int
    scorings: Mapping[int, Scoring]
    state: State
    position: int
    total: int
    #: The report so far, encoded; empty before the first step.
    report: bytes
    started_at: int
    #: When the message of the current step was queued last.
    queued_at: int
    finished_at: int | None = None
    #: Why it failed.
    reason: str | None = None

    @property
    def step(self) -> RescoringStep:
        """The step that is due."""
        return RescoringStep(self.number, self.id, self.position)


class StartOutcome(Enum):
    """What `start` did."""

    STARTED = 1
    #: A run with the same token exists.
    REPEATED = 2
    #: Another run of the instrument has not finished.
    RUNNING = 3
    #: The newest scoring of a form is not indexed yet.
    NOT_INDEXED = 4
    #: The instrument has changed since its revisions were read, or does not exist.
    CHANGED = 5


class StepOutcome(Enum):
    """What `commit` did."""

    COMMITTED = 1
    #: The run is no longer at this step: another worker has done it, or the run has ended.
    PAST = 0
    #: An attempt of the step has another result now, or was erased: nothing was written, the step must be read again.
    STALE = 2


class ListedCommit(msgspec.Struct, frozen=True):
    """An entry of the commit log with its records as stored; None: missing."""

    position: int
    attempt_id: bytes
    attempt: bytes | None
    result: bytes | None
    history: bytes | None


class Replacement(msgspec.Struct, frozen=True):
    """A changed result: the attempt, the record that it has now, and the record that replaces it."""

    attempt_id: bytes
    present: bytes
    record: bytes
    participant: str | None = None


def scorings_of(history: History, digests: Mapping[int, str]) -> dict[int, Scoring]:
    """Return the scoring of each form. `digests`: of each form's newest revision, by revision."""
    return {
        form: Scoring(revision, digests[revision])
        for form, revision in history.newest_of_forms().items()
    }


def start_call(
    keys: Keys,
    outbox: Outbox,
    name: str,
    history: History,
    scorings: Mapping[int, Scoring],
    *,
    run: bytes,
    token: str,
    dry_run: bool,
) -> tuple[list[str], list[Argument]]:
    """Return KEYS and ARGV of the function `start_rescoring`."""
    lines = "".join(
        f"{form} {each.revision} {each.digest}\n" for form, each in sorted(scorings.items())
    )
    args: list[Argument] = [
        outbox.head,
        history.number,
        name,
        run,
        token,
        "1" if dry_run else "0",
        history.revision,
        lines,
    ]
    return [keys.numbers, outbox.stream], args


def read_rescoring(number: int, fields: Mapping[bytes, bytes]) -> Rescoring | None:
    """Return a run from the fields of its hash; None if there is none."""
    if not fields:
        return None
    text = {
        name.decode(): value.decode() for name, value in fields.items() if name not in _RAW_FIELDS
    }
    state: State = text["state"]  # type: ignore[assignment]
    return Rescoring(
        id=fields[b"id"],
        number=number,
        name=text["name"],
        token=text["token"],
        dry_run=text["dry"] == "1",
        revision=int(text["revision"]),
        scorings={
            int(form): Scoring(int(revision), digest)
            for form, revision, digest in (
                line.split(" ") for line in text["scorings"].splitlines()
            )
        },
        state=state,
        position=int(text["position"]),
        total=int(text["total"]),
        report=fields[b"report"],
        started_at=int(text["started"]),
        queued_at=int(text["queued"]),
        finished_at=int(text["finished"]) if text["finished"] else None,
        reason=text.get("reason") or None,
    )


_RAW_FIELDS = (b"id", b"report")


class RescoringRequests:
    """Starts and reads runs, for asyncio."""

    def __init__(
        self, client: "redis.asyncio.Redis", writer: Writer, keys: Keys, outbox: Outbox
    ) -> None:
        self._client: Any = client
        self._writer = writer
        self._keys = keys
        self._outbox = outbox

    async def start(self, name: str, *, run: bytes, token: str, dry_run: bool) -> StartOutcome:
        """Start a run of an instrument. `run`: RUN_ID_BYTES random bytes; a repeated token starts nothing.

        Raises redis-py's errors if the outcome is unknown: a repetition with the same token is safe.
        """
        history = await self._history(name)
        if history is None:
            return StartOutcome.CHANGED
        newest = list(history.newest_of_forms().values())
        digests = await self._client.hmget(
            self._keys.instrument(name), [f"digest:{revision}" for revision in newest]
        )
        if None in digests:
            return StartOutcome.CHANGED
        scorings = scorings_of(
            history, dict(zip(newest, [each.decode() for each in digests], strict=True))
        )
        keys, args = start_call(
            self._keys,
            self._outbox,
            name,
            history,
            scorings,
            run=run,
            token=token,
            dry_run=dry_run,
        )
        return StartOutcome(await self._writer.call("start_rescoring", keys, args))

    async def read(self, number: int) -> Rescoring | None:
        """Return the last run of an instrument."""
        return read_rescoring(number, await self._client.hgetall(self._keys.rescoring_of(number)))

    async def _history(self, name: str) -> History | None:
        key = self._keys.instrument(name)
        number, revision = await self._client.hmget(key, ["number", "revision"])
        if number is None or revision is None:
            return None
        forms = await self._client.hmget(
            key, [f"form:{each}" for each in range(1, int(revision) + 1)]
        )
        return History(int(number), int(revision), tuple(int(form or 0) for form in forms))


class Rescorings:
    """Starts, reads and continues runs, synchronous: the resultWatcher, and the operator, which only starts them."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys, outbox: Outbox) -> None:
        self._client: Any = client
        self._library = library
        self._keys = keys
        self._outbox = outbox

    def start(
        self, name: str, instruments: InstrumentHistory, *, run: bytes, token: str, dry_run: bool
    ) -> StartOutcome:
        """Start a run, as `RescoringRequests.start`."""
        history = instruments.history(name)
        if history is None:
            return StartOutcome.CHANGED
        digests = {
            revision: instruments.digest(name, revision)
            for revision in history.newest_of_forms().values()
        }
        known = {revision: digest for revision, digest in digests.items() if digest is not None}
        if len(known) < len(digests):
            return StartOutcome.CHANGED
        keys, args = start_call(
            self._keys,
            self._outbox,
            name,
            history,
            scorings_of(history, known),
            run=run,
            token=token,
            dry_run=dry_run,
        )
        return StartOutcome(self._library.call(self._client, "start_rescoring", keys, args))

    def read(self, number: int) -> Rescoring | None:
        """Return the last run of an instrument."""
        return read_rescoring(number, self._client.hgetall(self._keys.rescoring_of(number)))

    def running(self) -> list[Rescoring]:
        """Return the runs that have not finished."""
        found = [self.read(int(number)) for number in self._client.smembers(self._keys.rescoring)]
        return [run for run in found if run is not None and run.state == "Running"]

    def log(self, number: int, position: int, limit: int) -> list[ListedCommit]:
        """Read entries of an instrument's commit log with their records, atomically."""
        reply = self._library.call(
            self._client, "list_results", [self._keys.arrivals], ["", number, position, limit]
        )
        return [
            ListedCommit(position + place, *reply[start : start + 4])
            for place, start in enumerate(range(0, len(reply), 4))
        ]

    def commit(
        self, step: RescoringStep, following: int, report: bytes, changes: Sequence[Replacement]
    ) -> StepOutcome:
        """Commit a step: the changed results, the report so far, and the next position."""
        ordered = sorted(changes, key=lambda each: each.attempt_id[-ARRIVAL_BYTES:])
        people = [
            _PERSON.pack(place, participant_fingerprint(each.participant))
            for place, each in enumerate(ordered, start=1)
            if each.participant is not None
        ]
        args: list[Argument] = [
            self._outbox.head,
            step.number,
            step.run,
            step.position,
            following,
            report,
            b"".join([each.attempt_id for each in ordered]),
            b"".join([each.present[:_HEAD] for each in ordered]),
            b"".join([_LENGTH.pack(len(each.record)) + each.record for each in ordered]),
            b"".join(people),
        ]
        return StepOutcome(
            self._library.call(self._client, "commit_rescored", self._step_keys(), args)
        )

    def requeue(self, step: RescoringStep, most: int) -> bool:
        """Queue the message of a step again; after `most` times fail the run instead."""
        args: list[Argument] = [self._outbox.head, step.number, step.run, step.position, most]
        return bool(self._library.call(self._client, "requeue_rescoring", self._step_keys(), args))

    def fail(self, step: RescoringStep, reason: str) -> None:
        """End a run that cannot continue at its step."""
        self._library.call(
            self._client,
            "fail_rescoring",
            [self._keys.arrivals],
            [step.number, step.run, step.position, reason],
        )

    def _step_keys(self) -> list[str]:
        return [self._keys.arrivals, self._outbox.stream]
