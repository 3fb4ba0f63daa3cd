"""Pages of questions: show, save, go on."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import InvalidAttemptError, StanineClientError
from stanine.client.records import AttributeInfo, ItemInfo
from stanine.pages.answers import page as page_answer
from stanine.pages.answers import redirect
from stanine.pages.rendering import data_block, language_attributes, paragraphs
from stanine.pages.survey import checking, refusals
from stanine.pages.survey.checking import items_of_closed_sections
from stanine.pages.survey.fields import Fields, read_fields
from stanine.pages.survey.fragments import PageState, literal
from stanine.pages.survey.language_choices import chosen_language
from stanine.pages.survey.moves import clear_answer, move_option
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.script_data import modules_of, script_data
from stanine.pages.survey.section_pages import SectionPages
from stanine.pages.survey.sessions import SavedPage, read_body, save_page
from stanine.pages.survey.visits import Visit, Visits, monotonic_seconds

#: Characters of a question in the summary of errors.
_TITLE = 120


class PageRoutes:
    """The routes of a page of a session."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits
        self._sections = SectionPages(visits)

    async def resume(self, _request: Request, visit: Visit) -> Response:
        """Go to the page that was saved last."""
        number = min(max(1, visit.session.page), len(visit.pages))
        return redirect(self._visits.links.page(visit.id, number))

    async def show(self, request: Request, visit: Visit) -> Response:
        """Show a page; one without a question that is shown leads on."""
        page = self._page(request, visit)
        if page is None:
            return redirect(self._visits.links.page(visit.id, 1))
        if not visit.prepared.has_something(page, visit.shown):
            return redirect(self._after(visit, page))
        if self._sections.hides(visit, page):
            return self._sections.show(request, visit, page)
        return page_answer(request, self._render(visit, page))

    async def save(self, request: Request, visit: Visit) -> Response:
        """Save a page; go on, or show it again with what is wrong, missing or new."""
        renderer = self._visits.renderer
        page = self._page(request, visit)
        if page is None:
            return redirect(self._visits.links.page(visit.id, 1))
        try:
            fields = read_fields(await read_body(request))
        except ValueError:
            return refusals.unreadable(request, renderer, visit.language)
        if self._sections.hides(visit, page):
            return await self._sections.post(request, visit, page, fields)
        language = chosen_language(visit.prepared.form, fields)
        move, cleared = fields.get("move", [""])[0], fields.get("clear", [""])[0]
        if move:
            fields = move_option(fields, move)
        elif cleared:
            fields = clear_answer(fields, cleared)
        try:
            saved = await self._saved(request, visit, page, fields, language)
        except StanineClientError as error:
            if isinstance(error, InvalidAttemptError) and items_of_closed_sections(error):
                return redirect(self._visits.links.page(visit.id, page.number))
            return refusals.refused(request, renderer, visit.language, error, fields)
        if fields.get("go", [""])[0] == "back":
            return redirect(self._before(saved.visit, page))
        if language is not None and not saved.errors and not saved.attribute_errors:
            return redirect(self._visits.links.page(visit.id, page.number))
        if move or cleared or language is not None:
            return page_answer(request, self._render(saved.visit, page, saved))
        opened = self._opened(saved.visit, page, fields.get("i", []))
        errors = self._errors(saved, page, opened)
        if errors or saved.attribute_errors or opened:
            return page_answer(
                request, self._render(saved.visit, page, saved, errors, opened=len(opened)), 422
            )
        return redirect(self._after(saved.visit, page))

    async def _saved(
        self,
        request: Request,
        visit: Visit,
        page: SurveyPage,
        fields: Fields,
        language: str | None,
    ) -> SavedPage:
        """Save a page; after a change of the language, with the reasons of what could not be saved in the new one."""
        saved = await save_page(self._visits.source, visit, page, fields, language)
        if language is None:
            return saved
        visit = await self._visits.find(request, visit.id, visit.token)
        return await save_page(self._visits.source, visit, page, fields)

    def _page(self, request: Request, visit: Visit) -> SurveyPage | None:
        number = int(request.path_params["page"])
        return visit.pages[number - 1] if 1 <= number <= len(visit.pages) else None

    def _after(self, visit: Visit, page: SurveyPage) -> str:
        return self._visits.links.page_or_review(visit.id, visit.page_after(page.number))

    def _before(self, visit: Visit, page: SurveyPage) -> str:
        number = visit.page_before(page.number)
        return self._visits.links.page(visit.id, number or page.number)

    def _opened(self, visit: Visit, page: SurveyPage, seen: list[str]) -> list[str]:
        """Return unanswered items that the saved answers lead to and that were not on the page."""
        return [
            item
            for item in checking.unanswered(
                visit.prepared, page, visit.session.answers, visit.shown
            )
            if item not in seen
        ]

    def _errors(self, saved: SavedPage, page: SurveyPage, opened: list[str]) -> dict[str, str]:
        visit, errors = saved.visit, dict(saved.errors)
        for item in checking.unanswered_required(
            visit.prepared, page, visit.session.answers, visit.shown
        ):
            if item not in opened:
                errors.setdefault(item, visit.wording.missing())
        for name in page.attributes:
            if visit.prepared.attributes[name].required and name not in visit.session.attributes:
                saved.attribute_errors.setdefault(name, visit.wording.missing())
        return errors

    def _render(
        self,
        visit: Visit,
        page: SurveyPage,
        saved: SavedPage | None = None,
        errors: dict[str, str] | None = None,
        *,
        opened: int = 0,
    ) -> str:
        refused = saved.refused if saved is not None else {}
        errors = errors if errors is not None else saved.errors if saved is not None else {}
        attribute_errors = saved.attribute_errors if saved is not None else {}
        state = PageState({**visit.session.answers, **refused}, visit.shown, errors)
        renderer, links, form = self._visits.renderer, self._visits.links, visit.prepared.form
        open_pages = [one for one in visit.pages if visit.prepared.has_something(one, visit.shown)]
        place = 1 + sum(one.number < page.number for one in open_pages)
        section = (form.sections or [])[page.section] if page.section is not None else None
        introduction = form.instructions if page.number == 1 else None
        if section is not None and page.is_first:
            introduction = "\n\n".join(
                text for text in (introduction, section.instructions) if text
            )
        progress = visit.wording.progress(place, len(open_pages))
        now = monotonic_seconds()
        left, section_left = visit.seconds_left(now), visit.section_seconds_left(page, now)
        return renderer.render(
            "survey/page.html",
            visit.language,
            heading=form.title,
            section_title=section.title if section is not None else None,
            content=language_attributes(form.language, visit.language),
            progress=progress,
            number=place,
            count=len(open_pages),
            instructions=paragraphs(introduction),
            errors=self._summary(visit, page, errors, attribute_errors),
            opened=opened,
            time_left=None if left is None else visit.wording.time_left(left),
            section_time_left=None
            if section_left is None
            else visit.wording.section_time_left(section_left),
            attributes=[visit.prepared.attributes[name] for name in page.attributes],
            attribute_values={**visit.session.attributes, **refused},
            attribute_errors=attribute_errors,
            literal=literal,
            plain_number=visit.wording.number,
            items=self._visits.fragments(visit, page).fill(state),
            choices=visit.languages,
            needs_default=bool(visit.languages)
            or any(_has_buttons(form.items[each]) for each in page.items)
            or any(_can_be_cleared(visit.prepared.attributes[name]) for name in page.attributes),
            has_earlier=visit.page_before(page.number) is not None,
            withdrawal=links.withdrawal(visit.id),
            modules=modules_of(
                [form.items[each] for each in page.items],
                has_timer=left is not None or section_left is not None,
            ),
            data=data_block(script_data(visit, page, links, left, section_left)),
        )

    def _summary(
        self,
        visit: Visit,
        page: SurveyPage,
        errors: dict[str, str],
        attribute_errors: dict[str, str],
    ) -> list[dict[str, Any]]:
        found = [
            {
                "id": f"p.{name}",
                "title": visit.prepared.attributes[name].title or name,
                "text": text,
            }
            for name, text in attribute_errors.items()
        ]
        items = [visit.prepared.form.items[place] for place in page.items]
        return found + [
            {"id": item.id, "title": _short(item.text), "text": errors[item.id]}
            for item in items
            if item.id in errors
        ]


def _has_buttons(item: ItemInfo) -> bool:
    """Return whether a question has buttons, of which Enter must not press the first."""
    return item.type == "Ranking" or (item.type == "Choice" and not item.required)


def _can_be_cleared(attribute: AttributeInfo) -> bool:
    """Return whether a question about the person has the button that clears its answer."""
    return attribute.values is not None and not attribute.required


def _short(text: str) -> str:
    return text if len(text) <= _TITLE else text[: _TITLE - 1] + "…"
