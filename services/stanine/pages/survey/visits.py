"""What a request to a page of a session needs: the session, its form, its pages, the language. Used by the routes."""

import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request

from stanine.client.records import SectionInfo, SessionInfo
from stanine.pages.languages import accepted, interface_language
from stanine.pages.links import Links
from stanine.pages.rendering import Renderer
from stanine.pages.survey.form_cache import FormCache
from stanine.pages.survey.fragments import ItemFragments
from stanine.pages.survey.language_choices import LanguageChoice, language_choices, read_tag
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
    #: Items of the sections whose time is over.
    closed_items: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The id of the session."""
        return self.session.session

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds to the deadline; None without a time limit. `now`: `monotonic_seconds`.

        The server has stated both the deadline and the time of reading, so that this machine's clock does not matter.
        """
        return self._left(self.session.deadline_at, now)

    def section_of(self, page: SurveyPage) -> SectionInfo | None:
        """Return the section of a page, if it has a time limit."""
        sections = self.prepared.form.sections
        if page.section is None or not sections:
            return None
        section = sections[page.section]
        return section if section.time_limit_seconds else None

    def section_seconds_left(self, page: SurveyPage, now: float) -> float | None:
        """Return the seconds to the end of a page's section, like `seconds_left`; None: not opened, or no time limit."""
        section = self.section_of(page)
        if section is None:
            return None
        return self._left(self.session.section_deadlines.get(section.id), now)

    @property
    def open_items(self) -> frozenset[str]:
        """The items that are shown and can be answered."""
        return self.shown - self.closed_items

    @property
    def languages(self) -> list[LanguageChoice]:
        """The languages that the participant can change to."""
        return language_choices(self.prepared.form.languages, self.prepared.form.language)

    def page_after(self, number: int) -> int | None:
        """Return the number of the next page with something to answer; None: no more."""
        return self.prepared.first_open(self.pages, number, self.open_items)

    def page_before(self, number: int) -> int | None:
        """Return the number of the last page with something to answer before a page; None: none."""
        return self.prepared.last_open(self.pages, number, self.open_items)

    def _left(self, deadline: str | None, now: float) -> float | None:
        read = self.session.read_at
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
        wanted = [read_tag(request.query_params.get("language")), found.language]
        language = interface_language(
            [*(tag for tag in wanted if tag), *accepted_languages(request)]
        )
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
            _closed_items(found, prepared),
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


def _closed_items(session: SessionInfo, prepared: Prepared) -> frozenset[str]:
    if session.read_at is None:
        return frozenset()
    deadlines = {
        name: datetime.fromisoformat(at).timestamp()
        for name, at in session.section_deadlines.items()
    }
    now = datetime.fromisoformat(session.read_at).timestamp()
    return prepared.rules.timed.closed_items(deadlines, now)


def _merged(known: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **given}.items() if value is not None}
