"""Answers saved by a page's script while a participant fills it in."""

from collections.abc import Mapping
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
from stanine.pages.survey.checking import (
    items_of_closed_sections,
    wrong_answers,
    wrong_attributes,
)
from stanine.pages.survey.fields import ATTRIBUTE_PREFIX
from stanine.pages.survey.sessions import read_body
from stanine.pages.survey.visits import Visits

_Value = int | float | str


class _Save(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body: answers by item, and by `p.` and the attribute; null for removed ones. `seq` as in the API."""

    seq: int
    page: int
    answers: dict[str, _Value | list[_Value] | None]

    def of_items(self) -> dict[str, Any]:
        """Return the answers to questions of the instrument."""
        return {
            name: value
            for name, value in self.answers.items()
            if not name.startswith(ATTRIBUTE_PREFIX)
        }

    def of_attributes(self) -> dict[str, Any]:
        """Return the answers to questions about the person, by attribute."""
        return {
            name.removeprefix(ATTRIBUTE_PREFIX): value
            for name, value in self.answers.items()
            if name.startswith(ATTRIBUTE_PREFIX)
        }


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
                session, token, save.seq, save.of_items(), save.of_attributes(), save.page
            )
        except SessionConflictError as error:
            known = error.saved
            if known is None:
                return _json(503, {})
            return _json(
                409, {"seq": known.seq, "answers": known.answers | _named(known.attributes)}
            )
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
        known, stated = visit.session, save.of_attributes()
        declared = {name: stated[name] for name in stated if name in visit.prepared.attributes}
        wrong = wrong_attributes(visit.prepared, declared, visit.wording)
        right = {name: value for name, value in declared.items() if name not in wrong}
        attributes = visit.after_save(known.seq, {}, right).session.attributes
        errors = _named(wrong) | wrong_answers(
            visit.prepared, save.of_items(), known.answers, attributes, visit.wording
        )
        errors |= dict.fromkeys(late, visit.wording.gettext("The time for this section is over."))
        if not errors:  # the API names no answer of this body: none of it can be saved
            errors = dict.fromkeys(save.answers, visit.wording.gettext("Not saved."))
        return _json(422, {"errors": errors})


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to attributes under the names that the page's fields have."""
    return {f"{ATTRIBUTE_PREFIX}{name}": value for name, value in attributes.items()}


def _json(status: int, body: dict[str, Any]) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
