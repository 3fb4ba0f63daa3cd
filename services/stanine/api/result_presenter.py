"""Presents stored results with the scales of the revision that scored them. Used by the routes.

The index has only the newest scoring of each form; older ones are compiled from their documents and cached.
"""

from collections import OrderedDict
from datetime import UTC, datetime

from msgspec import UNSET

from stanine.api.bodies import ResultBody, given
from stanine.api.web.deadlines import within
from stanine.domain.attempts.quality import AttemptQuality, quality_of
from stanine.domain.attempts.unpacking import Unpacker
from stanine.domain.instruments.document import read_json
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.domain.scoring.result import decode_result
from stanine.store.errors import CorruptRecordError
from stanine.store.index import IndexView
from stanine.store.instruments import Instruments
from stanine.store.records import StoredAttempt
from stanine.store.result_layout import StoredResult

#: Maximum cached older scorings: far more than are requested at a time.
MAX_KEPT = 64


class ResultPresenter:
    """Convert stored results into bodies."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        #: By origin of the index view, instrument name and revision.
        self._older: OrderedDict[tuple[str, str, int], IndexEntry] = OrderedDict()

    async def body(
        self,
        view: IndexView,
        entry: IndexEntry,
        attempt: StoredAttempt,
        result: StoredResult,
        *,
        access: str | None = None,
        repeated: bool = False,
        with_quality: bool = False,
        replaced_at: int | None = None,
    ) -> ResultBody:
        """Return the body of a result; `entry` is the attempt's index entry in `view`.

        `access`: the token to include; `repeated`: the key already had this attempt; `replaced_at`: of an earlier
        result.
        """
        failed = result.failure
        scored, scored_by = None, None
        if failed is None:
            scored_by = (
                entry
                if entry.revision == result.scoring_revision
                else await self._older_entry(view, entry, result.scoring_revision)
            )
            try:
                scored = decode_result(result.body, scored_by)
            except ValueError as error:
                raise CorruptRecordError(f"result of attempt {attempt.id.hex()}: {error}") from None
        return ResultBody(
            attempt=attempt.id.hex(),
            instrument=entry.name,
            revision=attempt.revision,
            state="Scored" if failed is None else "Failed",
            submitted_at=iso(attempt.submitted_at),
            form=entry.form,
            key=given(attempt.key),
            participant=given(attempt.participant),
            language=given(attempt.language),
            scoring_revision=result.scoring_revision if failed is None else UNSET,
            scoring_digest=given(None if scored_by is None else scored_by.digest),
            engine=result.engine,
            replaced=result.replaced or UNSET,
            replaced_at=UNSET if replaced_at is None else iso(replaced_at),
            scales=given(None if scored is None else scored.scales),
            profiles=given((scored.profiles if scored is not None else {}) or None),
            reason=given(failed),
            quality=quality(entry, attempt) if with_quality else UNSET,
            token=given(access),
            repeated=True if repeated else UNSET,
        )

    async def _older_entry(self, view: IndexView, newest: IndexEntry, revision: int) -> IndexEntry:
        known = self._older.get((view.origin, newest.name, revision))
        if known is None:
            stored = await within(self._instruments.read(newest.name, revision, view=view.view))
            if stored is None:
                raise CorruptRecordError(
                    f"instrument {newest.name!r} has no revision {revision}, but a result was scored by it"
                )
            instrument = parse_instrument(read_json(stored.document), name=newest.name)
            known = build_entry(
                instrument,
                number=stored.number,
                revision=revision,
                form=stored.form,
                digest=stored.digest,
            )
            self._older[view.origin, newest.name, revision] = known
            while len(self._older) > MAX_KEPT:
                self._older.popitem(last=False)
        self._older.move_to_end((view.origin, newest.name, revision))
        return known


def quality(entry: IndexEntry, attempt: StoredAttempt) -> AttemptQuality:
    """Return the quality figures of a stored attempt; `entry` has its form."""
    try:
        answers, hidden = Unpacker(entry).read(attempt.codes)
    except ValueError as error:
        raise CorruptRecordError(f"answers of attempt {attempt.id.hex()}: {error}") from None
    return quality_of(entry, answers, hidden, attempt.seconds)


def iso(milliseconds: int) -> str:
    """Return a time of Redis's clock as RFC 3339, UTC, to the millisecond."""
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
