"""What a request to a page of a session needs: the session, its form, its pages, the language. Used by the routes."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request

from stanine.client.records import SessionInfo
from stanine.pages.languages import accepted, interface_language
from stanine.pages.links import Links
from stanine.pages.rendering import Renderer
from stanine.pages.survey.form_cache import FormCache
from stanine.pages.survey.fragments import ItemFragments
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.prepared import Prepared
from stanine.pages.survey.sources import SessionSource
from stanine.pages.survey.wording import Wording


@dataclass(frozen=True)
class Visit:
    """One request of a participant in a session. Its answers are never logged."""

    session: SessionInfo = field(repr=False)
    token: str = field(repr=False)
    prepared: Prepared = field(repr=False)
    #: The language of the interface.
    language: str
    wording: Wording = field(repr=False)
    pages: tuple[SurveyPage, ...]
    shown: frozenset[str]
    #: When the session was read, in seconds of this process's monotonic clock.
    found_at: float

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.session.session

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds to the deadline; None without a time limit. `now`: `monotonic_seconds`.

        The server has stated both the deadline and the time of reading, so that this machine's clock does not matter.
        """
        deadline, read = self.session.deadline_at, self.session.read_at
        if deadline is None or read is None:
            return None
        left = datetime.fromisoformat(deadline) - datetime.fromisoformat(read)
        return left.total_seconds() - (now - self.found_at)

    def after_save(self, seq: int, answers: dict[str, Any], attributes: dict[str, Any]) -> "Visit":
        """Return the visit after a save; None removes an answer."""
        merged = _merged(self.session.answers, answers)
        known = _merged(self.session.attributes, attributes)
        session = msgspec.structs.replace(self.session, seq=seq, answers=merged, attributes=known)
        return replace(self, session=session, shown=self.prepared.shown(merged, known))


class Visits:
    """Finds the session of a request."""

    def __init__(self, source: SessionSource, renderer: Renderer) -> None:
        self.source = source
        self.renderer = renderer
        self._forms = FormCache(renderer, time.monotonic)

    @property
    def links(self) -> Links:
        """The addresses of the pages."""
        return self.renderer.links

    async def find(self, request: Request, session: str, token: str) -> Visit:
        """Return the visit of a request. Raises the client's errors."""
        found, found_at = await self.source.get(session, token), monotonic_seconds()
        prepared = await self._forms.find(found, lambda: self.source.form(session, token))
        wanted = [found.language] if found.language else []
        language = interface_language([*wanted, *accepted_languages(request)])
        fixed = {name: found.attributes[name] for name in found.fixed_attributes}
        return Visit(
            found,
            token,
            prepared,
            language,
            Wording(language),
            prepared.pages(prepared.asked(fixed)),
            prepared.shown(found.answers, found.attributes),
            found_at,
        )

    def fragments(self, visit: Visit, page: SurveyPage) -> ItemFragments:
        """Return the rendered questions of a page."""
        return self._forms.fragments(visit.session, visit.prepared, page, visit.language)


def accepted_languages(request: Request) -> list[str]:
    """Return the languages that a browser accepts, the preferred first."""
    return accepted(request.headers.get("accept-language", ""))


def monotonic_seconds() -> float:
    """Return seconds of a clock that nobody sets. The only clock of the survey."""
    return time.monotonic()


def _merged(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **given}.items() if value is not None}
