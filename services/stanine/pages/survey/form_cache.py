"""Keeps forms and their rendered questions in a process. Called by `visits`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from stanine.client.records import FormInfo, SessionInfo
from stanine.pages.rendering import Renderer
from stanine.pages.survey.fragments import ItemFragments
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.prepared import Prepared

#: Maximum forms, and rendered pages of all forms: about 20 kB each.
MAX_FORMS, MAX_FRAGMENTS = 100, 2_000
#: Seconds after which a form is read again. It is immutable, but a server that came back with older data may have
#: another one under the same number.
FORM_SECONDS = 300.0


@dataclass
class _Known:
    prepared: Prepared
    read_at: float
    fragments: OrderedDict[tuple[SurveyPage, str], ItemFragments] = field(
        default_factory=OrderedDict
    )


class FormCache:
    """The forms that participants fill in at present."""

    def __init__(self, renderer: Renderer, clock: Callable[[], float]) -> None:
        self._renderer, self._clock = renderer, clock
        self._forms: OrderedDict[tuple[str, int, str | None], _Known] = OrderedDict()

    async def find(self, session: SessionInfo, read: Callable[[], Awaitable[FormInfo]]) -> Prepared:
        """Return the form of a session; `read` is called if it is not known."""
        key = _key(session)
        known = self._forms.get(key)
        if known is None or self._clock() - known.read_at > FORM_SECONDS:
            form = await read()
            if known is None or known.prepared.form != form:
                known = _Known(Prepared(form), 0.0)
            known.read_at = self._clock()
            self._forms[key] = known
            while len(self._forms) > MAX_FORMS:
                self._forms.popitem(last=False)
        self._forms.move_to_end(key)
        return known.prepared

    def fragments(
        self, session: SessionInfo, prepared: Prepared, page: SurveyPage, language: str
    ) -> ItemFragments:
        """Return the rendered questions of a page."""
        known = self._forms.get(_key(session))
        if known is None or known.prepared is not prepared:  # dropped since `find`
            return ItemFragments(self._renderer, prepared, page, language)
        key = (page, language)
        found = known.fragments.get(key)
        if found is None:
            found = ItemFragments(self._renderer, prepared, page, language)
            known.fragments[key] = found
            if sum(len(one.fragments) for one in self._forms.values()) > MAX_FRAGMENTS:
                next(one for one in self._forms.values() if one.fragments).fragments.popitem(
                    last=False
                )
        return found


def _key(session: SessionInfo) -> tuple[str, int, str | None]:
    return session.instrument, session.revision, session.language
