"""Saves a posted page in a session. Called by the routes."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from stanine.client.errors import SessionConflictError
from stanine.pages.survey import checking
from stanine.pages.survey.fields import (
    MAX_BYTES,
    Fields,
    read_answers,
    read_attributes,
    read_fields,
)
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.sources import SessionSource
from stanine.pages.survey.visits import Visit

#: Tries of a save while another device saves too.
_TRIES = 5


@dataclass(frozen=True)
class SavedPage:
    """The outcome of a save."""

    #: The session after it.
    visit: Visit
    #: What was entered and could not be saved, by item or attribute.
    refused: dict[str, Any] = field(repr=False)
    #: Sentences about it.
    errors: dict[str, str]
    #: Sentences about attributes.
    attribute_errors: dict[str, str]


async def read_body(request: Request) -> bytes:
    """Return a request's body. Raises ValueError if it is too long or does not arrive."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BYTES:
                raise ValueError("the body is too long")
            parts.append(part)
    except ClientDisconnect:
        raise ValueError("the body is not complete") from None
    return b"".join(parts)


async def posted_fields(request: Request) -> dict[str, list[str]] | None:
    """Return the fields of a posted form, so that it can be sent again; None: there is none."""
    if request.method != "POST":
        return None
    try:
        return read_fields(await read_body(request))
    except ValueError:
        return {}


async def save_page(
    source: SessionSource,
    visit: Visit,
    page: SurveyPage,
    fields: Fields,
    language: str | None = None,
) -> SavedPage:
    """Save the answers of a posted page; what cannot be saved is returned. Raises the client's errors.

    `language`: the session's from now on.
    """
    prepared, session = visit.prepared, visit.session
    stated = read_attributes(prepared, page, fields)
    attribute_errors = checking.wrong_attributes(prepared, stated, visit.wording)
    good_attributes = {
        name: value for name, value in stated.items() if name not in attribute_errors
    }
    given = read_answers(prepared, page, fields)
    attributes = {
        name: value
        for name, value in {**session.attributes, **good_attributes}.items()
        if value is not None
    }
    errors = checking.wrong_answers(prepared, given, session.answers, attributes, visit.wording)
    good = {item: answer for item, answer in given.items() if item not in errors}
    states = prepared.rules.states({**session.answers, **good}, attributes)
    # An answer to a question that another answer of this page hides is not sent: the API would refuse it.
    good = {item: answer for item, answer in good.items() if states.get(item) is not False}
    changed = {item: answer for item, answer in good.items() if session.answers.get(item) != answer}
    changed_attributes = {
        name: value
        for name, value in good_attributes.items()
        if session.attributes.get(name) != value
    }
    seq = session.seq
    if changed or changed_attributes or session.page != page.number or language is not None:
        seq = await save_above(
            source, visit, page.number, changed, changed_attributes, language=language
        )
    refused = {item: given[item] for item in errors} | {
        name: stated[name] for name in attribute_errors
    }
    return SavedPage(
        visit.after_save(seq, changed, changed_attributes), refused, errors, attribute_errors
    )


async def save_above(
    source: SessionSource,
    visit: Visit,
    page: int,
    answers: dict[str, Any],
    attributes: dict[str, Any],
    *,
    section: str | None = None,
    language: str | None = None,
) -> int:
    """Save, above what another tab or device saved since this page was read; return the number of the save.

    `page`: its number; `section`: opened by the participant; `language`: changed to. Raises the client's errors.
    """
    seq = visit.session.seq
    for attempt in range(_TRIES):
        try:
            saved = await source.save(
                visit.id,
                visit.token,
                seq + 1,
                answers,
                attributes,
                page,
                section=section,
                language=language,
            )
        except SessionConflictError as error:
            if error.saved is None or attempt == _TRIES - 1:
                raise
            seq = error.saved.seq
        else:
            return saved.seq
    raise AssertionError("the loop returns or raises")
