"""The change of the language on pages without questions, whose forms do something else: review and withdrawal."""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import StanineClientError
from stanine.pages.answers import redirect
from stanine.pages.survey import refusals
from stanine.pages.survey.fields import read_fields
from stanine.pages.survey.language_choices import chosen_language
from stanine.pages.survey.sessions import read_body, save_above
from stanine.pages.survey.visits import Visit, Visits


class LanguageRoutes:
    """The route of the switch."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    async def change(self, request: Request, visit: Visit) -> Response:
        """Change the language of the session, and lead back to the page of the switch."""
        links, renderer = self._visits.links, self._visits.renderer
        try:
            fields = read_fields(await read_body(request))
        except ValueError:
            return refusals.unreadable(request, renderer, visit.language)
        language = chosen_language(visit.prepared.form, fields)
        if language is not None:
            try:
                await save_above(
                    self._visits.source, visit, visit.session.page, {}, {}, language=language
                )
            except StanineClientError as error:
                return refusals.refused(request, renderer, visit.language, error, fields)
        is_withdrawal = fields.get("at", [""])[0] == "withdraw"
        return redirect(links.withdrawal(visit.id) if is_withdrawal else links.review(visit.id))
