"""What a page of a section with a time limit shows before its time begins and after its end. Called by `page_routes`.

The time begins with the button Start, which is a POST, and is counted by the server.
"""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import StanineClientError
from stanine.pages.answers import page as page_answer
from stanine.pages.answers import redirect
from stanine.pages.rendering import language_attributes, paragraphs
from stanine.pages.survey import refusals
from stanine.pages.survey.language_choices import chosen_language
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.sessions import save_above
from stanine.pages.survey.visits import Visit, Visits, monotonic_seconds


class SectionPages:
    """The pages before and after a section with a time limit."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    def hides(self, visit: Visit, page: SurveyPage) -> bool:
        """Return whether the questions of a page are not shown: its section is not begun, or its time is over."""
        if visit.section_of(page) is None:
            return False
        left = visit.section_seconds_left(page, monotonic_seconds())
        return left is None or left <= 0

    def show(self, request: Request, visit: Visit, page: SurveyPage) -> Response:
        """Show the time limit and Start; or that the time is over, and Continue."""
        section, form, links = visit.section_of(page), visit.prepared.form, self._visits.links
        assert section is not None
        is_over = section.id in visit.session.section_deadlines
        left = visit.seconds_left(monotonic_seconds())
        title = section.title or form.title
        html = self._visits.renderer.render(
            "survey/section.html",
            visit.language,
            heading=visit.wording.gettext("The time for this section is over")
            if is_over
            else title,
            content=language_attributes(form.language, visit.language),
            is_over=is_over,
            time_left=None if left is None else visit.wording.time_left(left),
            instructions=paragraphs(section.instructions),
            limit=visit.wording.limit(section.time_limit_seconds or 0),
            has_earlier=visit.page_before(page.number) is not None,
            following=links.page_or_review(visit.id, visit.page_after(page.number)),
            choices=visit.languages,
            withdrawal=links.withdrawal(visit.id),
        )
        return page_answer(request, html)

    async def post(
        self, request: Request, visit: Visit, page: SurveyPage, fields: dict[str, list[str]]
    ) -> Response:
        """Begin the section, change the language, or go back; any other form leads to the page again."""
        links, renderer = self._visits.links, self._visits.renderer
        section, pressed = visit.section_of(page), fields.get("go", [""])[0]
        assert section is not None
        if pressed == "back":
            return redirect(links.page(visit.id, visit.page_before(page.number) or page.number))
        opened = section.id if pressed == "begin" else None
        language = chosen_language(visit.prepared.form, fields)
        if opened is not None or language is not None:
            try:
                await save_above(
                    self._visits.source,
                    visit,
                    page.number,
                    {},
                    {},
                    section=opened,
                    language=language,
                )
            except StanineClientError as error:
                return refusals.refused(request, renderer, visit.language, error, fields)
        return redirect(links.page(visit.id, page.number))
