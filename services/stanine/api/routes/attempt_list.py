"""Attempts of an instrument as a stream, NDJSON or CSV (Accept: text/csv), and their codebook."""

from stanine.api.attempt_export import CSV, AttemptExport, ExportOrder
from stanine.api.attempt_reader import AttemptReader
from stanine.api.export_bodies import Codebook, ListedAttempt, ListPosition
from stanine.api.intake.validation import Checker
from stanine.api.loops import IndexFollower
from stanine.api.result_presenter import ResultPresenter
from stanine.api.web.auth import Keyring, Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import (
    HISTORY_CHANGED,
    MALFORMED_REQUEST,
    MISSING_SCOPE,
    NOT_INDEXED,
    Problem,
)
from stanine.api.web.queries import (
    AFTER_PLACE,
    FROM,
    KEY,
    LANGUAGE_TAG,
    LISTED,
    MOST,
    PARTICIPANT,
    STATE,
    TO,
)
from stanine.api.web.routing import Content, Route
from stanine.domain.instruments.public_form import language_of
from stanine.domain.tables.variables import variables_of
from stanine.store.attempt_lists import AttemptFilter
from stanine.store.cursors import UNKNOWN, SealedCursor


class AttemptListRoutes:
    """The routes that list attempts and describe the columns."""

    def __init__(
        self,
        reader: AttemptReader,
        scorings: ResultPresenter,
        checker: Checker,
        keyring: Keyring,
        index: IndexFollower,
    ) -> None:
        self._checker = checker
        self._index = index
        self._keyring = keyring
        self._export = AttemptExport(reader, scorings, self._may_go_on)

    async def list(self, request: Request) -> None:
        """Stream an instrument's attempts in order of arrival."""
        name, query = request.parameters["name"], request.query
        entry = await self._checker.entry(name, None)
        parts = query["include"]
        assert request.caller is not None
        if "results" in parts and (refusal := request.caller.refusal(Scope.RESULTS_READ)):
            raise Problem(MISSING_SCOPE, f"include=results: {refusal}")
        if parts == {"labels"}:
            raise Problem(
                MALFORMED_REQUEST,
                "include=labels is about answers and attributes: include one of them.",
            )
        after = query["after"]
        order = ExportOrder(
            name,
            UNKNOWN if isinstance(after, SealedCursor) else after,
            query["limit"],
            AttemptFilter(
                query["from"], query["to"], query["state"], query["key"], query["participant"]
            ),
            parts,
            None if query["language"] is None else language_of(entry, query["language"]),
        )
        media_type = request.text(b"accept").partition(";")[0].strip().lower()
        if media_type == CSV.decode():
            await self._export.send_csv(request, order)
        else:
            await self._export.send_ndjson(request, order)

    async def codebook(self, request: Request) -> Answer:
        """Return the variables of the instrument's exports."""
        name, language = request.parameters["name"], request.query["language"]
        entry = await self._checker.entry(name, None)
        forms = self._index.view.forms.get(name, {}).values() or [entry]
        chosen = None if language is None else language_of(entry, language)
        return json_answer(Codebook(name, entry.revision, entry.title, variables_of(forms, chosen)))

    def _may_go_on(self, request: Request, order: ExportOrder) -> bool:
        """Return whether the keys file still has the caller's key with its permissions."""
        assert request.caller is not None
        now = self._keyring.renew(request.caller)
        needed = [Scope.ATTEMPTS_READ] + [Scope.RESULTS_READ] * ("results" in order.parts)
        return (
            now is not None
            and now.sees(order.name)
            and not any(now.refusal(scope) for scope in needed)
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/instruments/{name}/attempts",
                handler=self.list,
                name="listAttempts",
                summary="Stream an instrument's attempts in order of arrival, with answers; resumable after any of them",
                tag="attempts",
                scope=Scope.ATTEMPTS_READ,
                query=(
                    AFTER_PLACE,
                    MOST,
                    FROM,
                    TO,
                    STATE,
                    KEY,
                    PARTICIPANT,
                    LISTED,
                    LANGUAGE_TAG,
                ),
                headers={"Accept": "text/csv: a table; otherwise NDJSON."},
                answers={
                    200: Content(
                        {
                            "application/x-ndjson": (ListedAttempt, ListPosition),
                            "text/csv": {"type": "string"},
                        },
                        "A line or row per attempt. Lines with `next` are between them, and the last one is such a line.",
                    )
                },
                problems=(NOT_INDEXED, HISTORY_CHANGED),
            ),
            Route(
                method="GET",
                path="/v1/instruments/{name}/codebook",
                handler=self.codebook,
                name="readCodebook",
                summary="Read the columns of exports: labels, values and their labels, missing codes",
                tag="attempts",
                scope=Scope.ATTEMPTS_READ,
                query=(LANGUAGE_TAG,),
                answers={200: Content({"application/json": Codebook})},
                problems=(NOT_INDEXED,),
            ),
        )
