"""Answers saved by a page's script while a participant fills it in."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import (
    InvalidAttemptError,
    NotFoundError,
    SessionClosedError,
    SessionConflictError,
    StanineClientError,
    TemporaryError,
)
from stanine.pages.survey.checking import items_of_closed_sections, wrong_answers
from stanine.pages.survey.sessions import read_body
from stanine.pages.survey.visits import Visits

_Value = int | float | str


class _Save(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body: answers by item, null for removed ones. `seq` as in the API."""

    seq: int
    page: int
    answers: dict[str, _Value | list[_Value] | None]


_decode = msgspec.json.Decoder(_Save).decode


class SavingRoutes:
    """The route of scripts. Its answers are JSON, with the status that the script acts by."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    async def save(self, request: Request, session: str, token: str) -> Response:
        """Save answers.

        200: saved. 409: another tab or device saved since; its answers are in the body. 410: closed. 422: some answers
        cannot be saved; sentences by item. 503: try again.
        """
        try:
            save = _decode(await read_body(request))
        except (msgspec.MsgspecError, ValueError):
            return _json(400, {})
        try:
            saved = await self._visits.source.save(
                session, token, save.seq, save.answers, {}, save.page
            )
        except SessionConflictError as error:
            known = error.saved
            if known is None:
                return _json(503, {})
            return _json(409, {"seq": known.seq, "answers": known.answers})
        except InvalidAttemptError as error:
            late = items_of_closed_sections(error)
            return await self._refusal(request, session, token, save, late)
        except SessionClosedError:
            return _json(410, {})
        except NotFoundError:
            return _json(404, {})
        except TemporaryError:
            return _json(503, {})
        return _json(200, {"seq": saved.seq})

    async def _refusal(
        self, request: Request, session: str, token: str, save: _Save, late: list[str]
    ) -> Response:
        """Name the answers that cannot be saved, so that the script sends the others."""
        try:
            visit = await self._visits.find(request, session, token)
        except StanineClientError:
            return _json(503, {})
        known = visit.session
        errors = wrong_answers(
            visit.prepared, save.answers, known.answers, known.attributes, visit.wording
        ) | dict.fromkeys(late, visit.wording.gettext("The time for this section is over."))
        if not errors:  # the API names no answer of this body: none of it can be saved
            errors = dict.fromkeys(save.answers, visit.wording.gettext("Not saved."))
        return _json(422, {"errors": errors})


def _json(status: int, body: dict[str, Any]) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
