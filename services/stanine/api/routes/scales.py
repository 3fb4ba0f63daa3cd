"""Titles, ranges and bands of scales: of an instrument, for readers of results, and of one result, for its participant."""

from collections import OrderedDict

import msgspec
from msgspec import UNSET

from stanine.api.attempt_reader import AttemptReader
from stanine.api.bodies import Pending, ProfileBody, ScaleBody, ScalesBody, given
from stanine.api.intake.documents import DocumentReader
from stanine.api.routes.instruments import no_revision
from stanine.api.routes.results import pending
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.http import Answer, Request
from stanine.api.web.languages import ACCEPT_LANGUAGE, language_headers, wanted_languages
from stanine.api.web.problems import FULL, NOT_INDEXED, NotFound
from stanine.api.web.queries import LANGUAGE_TAG, REVISION
from stanine.api.web.routing import Content, Route
from stanine.domain.instruments.instrument import Instrument
from stanine.domain.scoring.index import choose_language
from stanine.store.instruments import Instruments, StoredDocument

#: Maximum cached answers, one per revision and language: computing the ranges of a large document is slow.
MAX_KEPT = 64


#: Name, revision, form and digest.
_Version = tuple[str, int, int, str]


class _Languages(msgspec.Struct, frozen=True):
    """The languages of a document."""

    own: str | None
    translations: tuple[str, ...]


class ScaleRoutes:
    """The routes of scales."""

    def __init__(
        self, instruments: Instruments, documents: DocumentReader, reader: AttemptReader
    ) -> None:
        self._instruments = instruments
        self._reader = reader
        self._documents = documents
        #: The digest is part of the key: after a restore another document may have the same number.
        self._languages: OrderedDict[_Version, _Languages] = OrderedDict()
        self._bodies: OrderedDict[tuple[_Version, str | None], bytes] = OrderedDict()

    async def read(self, request: Request) -> Answer:
        """Return the scales and profiles of a revision."""
        name, revision = request.parameters["name"], request.query["revision"]
        stored = await within(self._instruments.read(name, revision))
        if stored is None:
            newest = await within(self._instruments.read(name)) if revision is not None else None
            raise (
                NotFound("Instrument", name)
                if newest is None
                else no_revision(name, revision, newest.revision)
            )
        return await self._answer(request, stored, name)

    async def of_result(self, request: Request) -> Answer:
        """Return the scales and profiles of the revision that an attempt was scored by."""
        found = await self._reader.find(request)
        if found.result is None:
            return pending(found)
        is_scored = found.result.failure is None
        revision = found.result.scoring_revision if is_scored else found.entry.revision
        name = found.entry.name
        stored = await within(self._instruments.read(name, revision, view=found.view.view))
        if stored is None:
            raise NotFound("Attempt", request.parameters["id"])
        return await self._answer(request, stored, name)

    async def _answer(self, request: Request, stored: StoredDocument, name: str) -> Answer:
        wanted = wanted_languages(request)
        version = (name, stored.revision, stored.form, stored.digest)
        languages = self._languages.get(version)
        if languages is not None:
            chosen = choose_language(languages.own, languages.translations, wanted)
            if (body := self._bodies.get((version, chosen))) is not None:
                self._bodies.move_to_end((version, chosen))
                return Answer(200, body, headers=language_headers(chosen or languages.own))
        return await self._compute(stored, name, wanted)

    async def _compute(self, stored: StoredDocument, name: str, wanted: list[str]) -> Answer:
        def choose(instrument: Instrument) -> str | None:
            return choose_language(instrument.spec.language, instrument.spec.translations, wanted)

        async with self._documents.place():
            read = await self._documents.scales(stored.document, name, choose)
        has_several = read.own is not None and bool(read.translations)
        body = msgspec.json.encode(
            ScalesBody(
                name=name,
                revision=stored.revision,
                form=stored.form,
                title=read.title,
                scales=msgspec.convert(read.public["scales"], list[ScaleBody]),
                profiles=msgspec.convert(read.public["profiles"], list[ProfileBody]),
                language=given(read.chosen or read.own),
                languages=[read.own, *read.translations]
                if has_several and read.own is not None
                else UNSET,
            )
        )
        version = (name, stored.revision, stored.form, stored.digest)
        self._languages[version] = _Languages(read.own, read.translations)
        self._bodies[version, read.chosen] = body
        while len(self._bodies) > MAX_KEPT:
            self._bodies.popitem(last=False)
        while len(self._languages) > MAX_KEPT:
            self._languages.popitem(last=False)
        return Answer(200, body, headers=language_headers(read.chosen or read.own))

    def routes(self) -> tuple[Route, ...]:
        """Return the declaration."""
        return (
            Route(
                method="GET",
                path="/v1/instruments/{name}/scales",
                handler=self.read,
                name="readScales",
                summary="Read titles, ranges and bands of the scales, without keys and formulas",
                tag="instruments",
                scope=Scope.RESULTS_READ,
                query=(REVISION, LANGUAGE_TAG),
                headers=ACCEPT_LANGUAGE,
                answers={200: Content({"application/json": ScalesBody})},
                problems=(FULL,),
            ),
            Route(
                method="GET",
                path="/v1/attempts/{id}/result/scales",
                handler=self.of_result,
                name="readResultScales",
                summary="Read titles, ranges and bands of the scales of an attempt's result, by an API key or the attempt's token",
                tag="results",
                scope=Scope.RESULTS_READ,
                takes_token=True,
                query=(LANGUAGE_TAG,),
                headers=ACCEPT_LANGUAGE,
                answers={
                    200: Content({"application/json": ScalesBody}),
                    202: Content({"application/json": Pending}, "It is not scored yet."),
                },
                problems=(FULL, NOT_INDEXED),
            ),
        )
