"""Explains stored results by the document that scored them. Used by the route of explanations.

Explanations are rarely requested, so documents are read and compiled on demand; a few are cached.
"""

from collections import OrderedDict

from msgspec import UNSET

from stanine.api.attempt_reader import Found
from stanine.api.bodies import ExplanationBody, given
from stanine.api.web.auth import Caller, Scope
from stanine.api.web.deadlines import within
from stanine.domain.instruments.document import read_json
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.explanation import Explainer, ReaderRights
from stanine.store.errors import CorruptRecordError
from stanine.store.index import IndexView
from stanine.store.instruments import Instruments

#: Maximum compiled documents in the cache; subsequent requests are usually for the same instrument.
MAX_KEPT = 16


class ExplanationPresenter:
    """Convert stored results into explanations."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        #: By origin of the index view, instrument name and revision.
        self._kept: OrderedDict[tuple[str, str, int], Explainer] = OrderedDict()

    async def body(self, found: Found, caller: Caller) -> ExplanationBody:
        """Return the explanation of a result with the parts that the caller may see.

        Raises CorruptRecordError.
        """
        attempt, result = found.attempt, found.result
        assert result is not None
        explained = None
        if result.failure is None:
            explainer = await self._explainer(found.view, found.entry.name, result.scoring_revision)
            reader = ReaderRights(
                answers=caller.refusal(Scope.ATTEMPTS_READ) is None,
                formulas=caller.refusal(Scope.INSTRUMENTS_READ) is None,
            )
            try:
                explained = explainer.explain(
                    attempt.codes, attempt.attributes, result.body, reader
                )
            except ValueError as error:
                raise CorruptRecordError(f"result of attempt {attempt.id.hex()}: {error}") from None
        return ExplanationBody(
            attempt=attempt.id.hex(),
            instrument=found.entry.name,
            revision=attempt.revision,
            state="Failed" if explained is None else "Scored",
            engine=result.engine,
            scoring_revision=UNSET if explained is None else result.scoring_revision,
            scales=UNSET if explained is None else explained.scales,
            profiles=UNSET if explained is None else explained.profiles,
            reason=given(result.failure),
        )

    async def _explainer(self, view: IndexView, name: str, revision: int) -> Explainer:
        place = view.origin, name, revision
        known = self._kept.get(place)
        if known is None:
            stored = await within(self._instruments.read(name, revision, view=view.view))
            if stored is None:
                raise CorruptRecordError(
                    f"instrument {name!r} has no revision {revision}, but a result was scored by it"
                )
            known = Explainer(parse_instrument(read_json(stored.document), name=name))
            self._kept[place] = known
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return known
