"""Welcome and start. Reading the welcome page changes nothing: scanners of mails read links before people do."""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import StanineClientError
from stanine.client.records import InvitationPreview
from stanine.pages.answers import page, redirect
from stanine.pages.cookies import keep_token
from stanine.pages.languages import interface_language
from stanine.pages.rendering import language_attributes, paragraphs
from stanine.pages.secure_transport import Transport
from stanine.pages.survey import refusals
from stanine.pages.survey.fields import read_fields
from stanine.pages.survey.invitation_reading import read_invitation
from stanine.pages.survey.language_choices import language_choices, read_tag
from stanine.pages.survey.sessions import read_body
from stanine.pages.survey.visits import Visits, accepted_languages
from stanine.pages.survey.wording import Wording


class WelcomeRoutes:
    """The routes of an invitation's code."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    async def show(self, request: Request, _transport: Transport) -> Response:
        """Show who asks for what."""
        code, wanted = request.path_params["code"], read_tag(request.query_params.get("language"))
        accepts = accepted_languages(request)
        interface = interface_language([wanted] if wanted else accepts)
        try:
            found = await read_invitation(self._visits.source, request, code, wanted)
        except StanineClientError as error:
            return refusals.refused(request, self._visits.renderer, interface, error)
        interface = interface_language([*([found.language] if found.language else []), *accepts])
        return page(request, self._render(code, found, interface))

    async def start(self, request: Request, transport: Transport) -> Response:
        """Open the session, keep its token in a cookie, and go to its address, which has no code."""
        code = request.path_params["code"]
        interface = interface_language(accepted_languages(request))
        try:
            fields = read_fields(await read_body(request))
        except ValueError:
            return refusals.unreadable(request, self._visits.renderer, interface)
        language = read_tag(fields.get("language", [""])[0])
        try:
            found = await read_invitation(self._visits.source, request, code, language)
            session = await self._visits.source.open(found.instrument, code, language)
        except StanineClientError as error:
            interface = interface_language([language]) if language else interface
            return refusals.refused(request, self._visits.renderer, interface, error, fields)
        links = self._visits.links
        open_at = links.page(session.session, max(1, session.page))
        answer = redirect(open_at if session.state == "Open" else links.done(session.session))
        keep_token(answer, transport, session.session, session.token or "")
        return answer

    def _render(self, code: str, found: InvitationPreview, interface: str) -> str:
        renderer = self._visits.renderer
        return renderer.render(
            "survey/welcome.html",
            interface,
            heading=found.title,
            content=language_attributes(found.language, interface),
            choices=language_choices(found.languages, found.language),
            address=self._visits.links.welcome(code),
            chosen=found.language,
            is_started=found.is_started,
            facts=[] if found.is_started else _facts(found, Wording(interface)),
            instructions=paragraphs(found.instructions),
            consent=renderer.consent(found.instrument, interface),
        )


def _facts(found: InvitationPreview, wording: Wording) -> list[str]:
    facts = []
    if found.duration_minutes:
        time = wording.minutes(max(1, round(found.duration_minutes)))
        facts.append(wording.gettext("It takes about %(time)s.") % {"time": time})
    if found.time_limit_seconds:
        time = wording.limit(found.time_limit_seconds)
        facts.append(
            wording.gettext("You have %(time)s from the start; then your answers are submitted.")
            % {"time": time}
        )
    else:
        facts.append(
            wording.gettext(
                "You can interrupt and continue later with the same link; your answers are saved."
            )
        )
    return facts
