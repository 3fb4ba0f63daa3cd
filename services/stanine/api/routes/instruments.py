"""/v1/instruments: publishes, reads and lists instruments; the form for participants."""

import msgspec
from opentelemetry.trace import Tracer

from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.bodies import FormBody, InstrumentItem, InstrumentPage, PublishedInstrument, given
from stanine.api.intake.documents import DocumentReader
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker, UnknownRevision
from stanine.api.loops import IndexFollower
from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.languages import ACCEPT_LANGUAGE, language_headers, wanted_languages
from stanine.api.web.problems import (
    DRAINING,
    FULL,
    INVALID_DOCUMENT,
    MALFORMED_REQUEST,
    MANAGED,
    MAX_ERRORS,
    NOT_FOUND,
    NOT_INDEXED,
    PRECONDITION_FAILED,
    TOO_LARGE,
    UNSUPPORTED_CONTENT,
    NotFound,
    Problem,
    ProblemError,
)
from stanine.api.web.queries import AFTER_NAME, LANGUAGE_TAG, LIMIT, REVISION, WAIT
from stanine.api.web.routing import Content, Route
from stanine.domain.instruments.document import digest
from stanine.domain.instruments.instrument import Instrument
from stanine.domain.scoring.index import IndexEntry, choose_language, public_form
from stanine.messages import BUILD_INDEX
from stanine.store.errors import DigestMismatchError
from stanine.store.index import EntryCache
from stanine.store.instruments import Instruments, Published
from stanine.telemetry.traces import sending

_YAML = (b"application/yaml", b"application/x-yaml", b"text/yaml")
#: Instruments per read for a key that reaches only some of them: others are skipped.
_SCAN = 1000


class InstrumentRoutes:
    """The routes of instruments."""

    def __init__(
        self,
        instruments: Instruments,
        entries: EntryCache,
        index: IndexFollower,
        checker: Checker,
        intake: Intake,
        tracer: Tracer,
        live: CurrentSettings,
        documents: DocumentReader,
    ) -> None:
        self._documents = documents
        self._live = live
        self._instruments = instruments
        self._entries = entries
        self._index = index
        self._checker = checker
        self._intake = intake
        self._tracer = tracer
        #: By name and language.
        self._forms: dict[tuple[str, str | None], tuple[IndexEntry, bytes]] = {}

    async def list(self, request: Request) -> Answer:
        """Return a page of the instruments that the key reaches."""
        caller, limit, after = request.caller, request.query["limit"], request.query["after"]
        assert caller is not None
        items: list[InstrumentItem] = []
        scan = limit + 1 if caller.sees_all else _SCAN
        while True:
            found = await within(self._instruments.list(after, scan))
            for each in found:
                if caller.sees(each.name):
                    if len(items) == limit:
                        return json_answer(InstrumentPage(items, items[-1].name))
                    entry = self._entries.newest(each.name)
                    items.append(
                        InstrumentItem(
                            each.name,
                            each.revision,
                            each.form,
                            each.digest,
                            given(entry.title if entry else None),
                        )
                    )
            if len(found) < scan:
                return json_answer(InstrumentPage(items, None))
            after = found[-1].name

    async def read(self, request: Request) -> Answer:
        """Return the document of a revision as it was published."""
        name, revision = request.parameters["name"], request.query["revision"]
        stored = await within(self._instruments.read(name, revision))
        if stored is None:
            newest = await within(self._instruments.read(name)) if revision is not None else None
            raise (
                NotFound("Instrument", name)
                if newest is None
                else no_revision(name, revision, newest.revision)
            )
        etag = _etag(stored.digest)
        headers = (
            (b"etag", etag),
            (b"stanine-revision", b"%d" % stored.revision),
            (b"stanine-form", b"%d" % stored.form),
        )
        if etag in _etags(request, b"if-none-match"):
            return Answer(304, b"", headers=headers)
        return Answer(200, stored.document, headers=headers)

    async def publish(self, request: Request) -> Answer:
        """Publish a document as the newest revision of its instrument."""
        name = request.parameters["name"]
        media_type = request.check_content(JSON, *_YAML)
        async with self._documents.place():
            text = await request.body(self._live.now.max_document_bytes)
            read = await self._documents.read(text, name, media_type)
            published = await self._publish(request, name, read.canonical, read.form)
        request.changed_count = int(published.changed)
        indexed = await self._index.wait_for(name, published.revision, request.query["wait"])
        warnings = [ProblemError(one.place, one.code, one.detail) for one in read.warnings]
        body = PublishedInstrument(
            name,
            published.revision,
            published.form,
            published.digest,
            published.changed,
            indexed,
            warnings[:MAX_ERRORS],
            len(warnings),
        )
        created = published.changed and published.revision == 1
        headers = (
            (b"etag", _etag(published.digest)),
            (b"location", f"/v1/instruments/{name}".encode()),
        )
        return json_answer(body, 201 if created else 200, headers)

    async def _publish(self, request: Request, name: str, document: bytes, form: str) -> Published:
        self._intake.admit(BUILD_INDEX.queue)
        expected = _if_match(request)
        if expected == "*":
            stored = await within(self._instruments.read(name))
            if stored is None:
                raise Problem(
                    PRECONDITION_FAILED,
                    "If-Match: * needs an instrument of this name, and there is none.",
                )
            expected = stored.digest
        try:
            with sending(self._tracer, BUILD_INDEX.queue, request.span) as trace:
                return await within(
                    self._instruments.publish(
                        name,
                        document,
                        digest(document),
                        form,
                        if_match=expected,
                        if_none_match=_if_none_match(request),
                        trace=trace,
                    )
                )
        except DigestMismatchError as error:
            now = (
                f"Its digest is now {error.digest}."
                if error.digest
                else "No instrument of this name exists yet."
            )
            raise Problem(PRECONDITION_FAILED, now) from None

    async def form(self, request: Request) -> Answer:
        """Return the form for participants."""
        name, revision = request.parameters["name"], request.query["revision"]
        try:
            entry = await self._checker.entry(name, revision)
        except UnknownRevision as error:
            raise no_revision(name, revision, error.newest) from None
        language = choose_language(entry.language, entry.translations, wanted_languages(request))
        known = self._forms.get((entry.name, language))
        if known is None or known[0] is not entry:
            form = msgspec.json.encode(public_form(entry, language))
            known = self._forms[entry.name, language] = (entry, form)
        return Answer(200, known[1], headers=language_headers(language or entry.language))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/instruments",
                handler=self.list,
                name="listInstruments",
                summary="List the instruments that the key reaches, by name",
                tag="instruments",
                scope=Scope.INSTRUMENTS_READ,
                query=(LIMIT, AFTER_NAME),
                answers={200: Content({"application/json": InstrumentPage})},
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}",
                handler=self.read,
                name="readInstrument",
                summary="Read an instrument's document as it was published",
                tag="instruments",
                scope=Scope.INSTRUMENTS_READ,
                query=(REVISION,),
                headers={
                    "If-None-Match": "ETags of cached documents: 304 if one of them is current."
                },
                answers={
                    200: Content({"application/json": Instrument}),
                    304: Content({}, "The cached document is current."),
                },
            ),
            Route(
                method="PUT",
                path="/v1/instruments/{name}",
                handler=self.publish,
                name="publishInstrument",
                summary="Publish an instrument; a changed document creates a revision, an unchanged one has no effect",
                tag="instruments",
                scope=Scope.INSTRUMENTS_WRITE,
                query=(WAIT,),
                headers={
                    "If-Match": "The ETag of the document to replace, or * for any: 412 if the current one differs.",
                    "If-None-Match": "Only *: 412 if an instrument with this name exists.",
                },
                body=Content({"application/json": Instrument, "application/yaml": Instrument}),
                answers={
                    200: Content(
                        {"application/json": PublishedInstrument},
                        "It is the next revision, or an unchanged document.",
                    ),
                    201: Content(
                        {"application/json": PublishedInstrument}, "It is the first revision."
                    ),
                },
                problems=(
                    INVALID_DOCUMENT,
                    MALFORMED_REQUEST,
                    MANAGED,
                    PRECONDITION_FAILED,
                    TOO_LARGE,
                    UNSUPPORTED_CONTENT,
                    FULL,
                    DRAINING,
                ),
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}/form",
                handler=self.form,
                name="readForm",
                summary="Read the form for participants: items and options, without scales, keys and bands",
                tag="instruments",
                scope=Scope.ATTEMPTS_WRITE,
                query=(REVISION, LANGUAGE_TAG),
                headers=ACCEPT_LANGUAGE,
                answers={200: Content({"application/json": FormBody})},
                problems=(NOT_INDEXED,),
            ),
        )


def no_revision(name: str, revision: int, newest: int) -> Problem:
    """Return the problem of a revision that an instrument does not have."""
    return Problem(
        NOT_FOUND, f"Instrument '{name}' has no revision {revision}; the newest is {newest}."
    )


def _etag(of: str) -> bytes:
    return b'"%b"' % of.encode()


def _etags(request: Request, header: bytes) -> list[bytes]:
    return [
        part.strip().removeprefix(b"W/") for part in request.headers.get(header, b"").split(b",")
    ]


def _if_match(request: Request) -> str | None:
    value = request.text(b"if-match").strip()
    if not value or value == "*":
        return value or None
    if len(value) < 3 or value[0] != '"' or value[-1] != '"' or '"' in value[1:-1]:
        raise Problem(MALFORMED_REQUEST, 'If-Match must be * or one ETag: "DIGEST".')
    return value[1:-1]


def _if_none_match(request: Request) -> bool:
    value = request.text(b"if-none-match").strip()
    if value not in {"", "*"}:
        raise Problem(MALFORMED_REQUEST, "With PUT, If-None-Match may only be *.")
    return value == "*"
