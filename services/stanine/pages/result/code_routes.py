"""The address of a result by the code of its invitation. Reading it changes nothing: scanners read links of mails."""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import StanineClientError
from stanine.pages.answers import page, redirect
from stanine.pages.cookies import keep_token
from stanine.pages.languages import catalog, interface_language
from stanine.pages.rendering import language_attributes
from stanine.pages.secure_transport import Transport
from stanine.pages.survey import refusals
from stanine.pages.survey.invitation_reading import read_invitation
from stanine.pages.survey.language_choices import language_choices, read_tag
from stanine.pages.survey.visits import Visits, accepted_languages


class ResultCodeRoutes:
    """The routes of a code that lead to its result."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    async def offer(self, request: Request, _transport: Transport) -> Response:
        """Show the button that leads to the result; before the start, lead to the invitation's page."""
        code, wanted = request.path_params["code"], read_tag(request.query_params.get("language"))
        accepts, renderer = accepted_languages(request), self._visits.renderer
        language = interface_language([wanted] if wanted else accepts)
        try:
            found = await read_invitation(self._visits.source, request, code, wanted)
        except StanineClientError as error:
            return refusals.refused(request, renderer, language, error)
        if not found.is_started:
            return redirect(self._visits.links.welcome(code))
        language = interface_language([*([found.language] if found.language else []), *accepts])
        html = renderer.render(
            "result/by_code.html",
            language,
            heading=catalog(language).gettext("Your result"),
            title=found.title,
            content=language_attributes(found.language, language),
            choices=language_choices(found.languages, found.language),
            address=self._visits.links.result(code),
        )
        return page(request, html)

    async def show(self, request: Request, transport: Transport) -> Response:
        """Keep the token of the session in a cookie, and go to its result. No new session is opened."""
        code, links = request.path_params["code"], self._visits.links
        language = interface_language(accepted_languages(request))
        try:
            found = await read_invitation(self._visits.source, request, code, None)
            if not found.is_started:
                return redirect(links.welcome(code))
            session = await self._visits.source.open(found.instrument, code, None)
        except StanineClientError as error:
            return refusals.refused(request, self._visits.renderer, language, error, {})
        answer = redirect(links.result(session.session))
        keep_token(answer, transport, session.session, session.token or "")
        return answer
