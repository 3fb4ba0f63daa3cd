"""The application of the pages. Made by the composition roots and by tests.

Every route of a session passes the same steps: TLS, the sender of the form, the cookie, the session.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from stanine.client.errors import StanineClientError
from stanine.pages.answers import redirect
from stanine.pages.assets import Assets
from stanine.pages.console.gate import GuestHandler, logged_in
from stanine.pages.console.login_routes import LoginPages
from stanine.pages.console.report_routes import ReportPages
from stanine.pages.console.sources import OrganisationSource
from stanine.pages.cookies import read_token
from stanine.pages.languages import interface_language
from stanine.pages.rendering import Renderer
from stanine.pages.result.code_routes import ResultCodeRoutes
from stanine.pages.result.routes import ResultPages
from stanine.pages.result.sources import ResultSource
from stanine.pages.secure_transport import Transport, is_of_this_site, transport_of
from stanine.pages.settings import PagesSettings
from stanine.pages.survey import refusals
from stanine.pages.survey.closing_routes import ClosingRoutes
from stanine.pages.survey.language_routes import LanguageRoutes
from stanine.pages.survey.page_routes import PageRoutes
from stanine.pages.survey.saving_routes import SavingRoutes
from stanine.pages.survey.sessions import posted_fields
from stanine.pages.survey.sources import SessionSource
from stanine.pages.survey.visits import Visit, Visits, accepted_languages, monotonic_seconds
from stanine.pages.survey.welcome_routes import WelcomeRoutes
from stanine.telemetry.logs import get_log

log = get_log()

#: Methods that change nothing.
_READING = frozenset({"GET", "HEAD"})


class _CodeConvertor(Convertor[str]):
    """A code of an invitation: 22 letters and digits."""

    regex = "[0-9A-Za-z]{22}"

    def convert(self, value: str) -> str:
        """Return the code."""
        return value

    def to_string(self, value: str) -> str:
        """Return the code."""
        return value


class _SessionConvertor(_CodeConvertor):
    """An id of a session: 32 hexadecimal digits."""

    regex = "[0-9a-f]{32}"


Handler = Callable[[Request, Transport], Awaitable[Response]]
VisitHandler = Callable[[Request, Visit], Awaitable[Response]]


def make_pages(
    settings: PagesSettings,
    source: SessionSource,
    close: Callable[[], Awaitable[None]],
    *,
    results: ResultSource | None = None,
    organisations: OrganisationSource | None = None,
) -> ASGIApp:
    """Return the application of the survey and, with their sources, of the result and the group report.

    `close` is awaited when it stops.
    """
    register_url_convertor("code", _CodeConvertor())
    register_url_convertor("session", _SessionConvertor())
    assets = Assets()
    visits = Visits(source, Renderer(settings, assets))
    gate = _Gate(settings, visits)
    welcome, pages = WelcomeRoutes(visits), PageRoutes(visits)
    closing, saving = ClosingRoutes(visits), SavingRoutes(visits)
    language = LanguageRoutes(visits)
    code, session = "/s/{code:code}", "/s/{session:session}"

    async def withdraw(request: Request, visit: Visit) -> Response:
        return await closing.withdraw(
            request, visit, transport_of(request, settings.trusted_proxies)
        )

    routes: list[BaseRoute] = [
        Route("/assets/{digest}/{name}", assets.serve, methods=["GET"]),
        Route(code, gate.checked(welcome.show), methods=["GET"]),
        Route(code, gate.checked(welcome.start), methods=["POST"]),
        Route(session, gate.visited(pages.resume), methods=["GET"]),
        Route(f"{session}/answers", gate.saving(saving), methods=["PATCH"]),
        Route(f"{session}/answers.csv", gate.visited(closing.answers_file), methods=["GET"]),
        Route(f"{session}/language", gate.visited(language.change), methods=["POST"]),
        Route(f"{session}/review", gate.visited(closing.review), methods=["GET"]),
        Route(f"{session}/review", gate.visited(closing.submit, closed=True), methods=["POST"]),
        Route(f"{session}/done", gate.visited(closing.done, closed=True), methods=["GET"]),
        Route(f"{session}/withdraw", gate.visited(closing.ask_withdrawal), methods=["GET"]),
        Route(f"{session}/withdraw", gate.visited(withdraw), methods=["POST"]),
        Route(f"{session}/{{page:int}}", gate.visited(pages.show), methods=["GET"]),
        Route(f"{session}/{{page:int}}", gate.visited(pages.save), methods=["POST"]),
    ]
    if results is not None:
        result, by_code = ResultPages(visits, results), ResultCodeRoutes(visits)
        shown = "/r/{session:session}"
        routes += [
            Route("/r/{code:code}", gate.checked(by_code.offer), methods=["GET"]),
            Route("/r/{code:code}", gate.checked(by_code.show), methods=["POST"]),
            Route(shown, gate.visited(result.show, closed=True), methods=["GET"]),
            Route(f"{shown}/figures.csv", gate.visited(result.file, closed=True), methods=["GET"]),
        ]
    if organisations is not None:
        routes += _console(gate, visits.renderer, organisations)
    health = Route("/healthz", _healthy, methods=["GET"])

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await close()

    if settings.base_path:
        routes = [Mount(settings.base_path, routes=routes)]
    return Starlette(
        routes=[*routes, health], lifespan=lifespan, exception_handlers={Exception: gate.failed}
    )


def _console(gate: "_Gate", renderer: Renderer, source: OrganisationSource) -> list[BaseRoute]:
    login, report = LoginPages(renderer, source, monotonic_seconds), ReportPages(renderer, source)

    def guarded(handler: GuestHandler) -> Callable[[Request], Awaitable[Response]]:
        return gate.checked(logged_in(renderer, handler))

    return [
        Route("/console", guarded(login.instruments), methods=["GET"]),
        Route("/console/login", gate.checked(login.show), methods=["GET"]),
        Route("/console/login", gate.checked(login.begin), methods=["POST"]),
        Route("/console/logout", guarded(login.end), methods=["POST"]),
        Route("/console/instruments/{name}/report", guarded(report.show), methods=["GET"]),
    ]


class _Gate:
    """The steps before a route."""

    def __init__(self, settings: PagesSettings, visits: Visits) -> None:
        self._settings, self._visits = settings, visits

    async def failed(self, request: Request, error: Exception) -> Response:
        """Return the page for a defect of the pages."""
        log.error("pages.defect", error=type(error).__name__)
        return refusals.defect(request, self._visits.renderer, _language(request))

    def checked(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return a route that is reached over TLS only, and whose forms come from these pages."""

        async def answer(request: Request) -> Response:
            transport = transport_of(request, self._settings.trusted_proxies)
            renderer, language = self._visits.renderer, _language(request)
            if not transport.is_allowed:
                return refusals.not_encrypted(request, renderer, language)
            if request.method not in _READING and not is_of_this_site(request, transport):
                return refusals.foreign(request, renderer, language)
            return await handler(request, transport)

        return answer

    def visited(
        self, handler: VisitHandler, *, closed: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a route of a session that the browser has the cookie of.

        `closed`: it is for sessions that take no more answers too; other routes lead to the thank-you page then.
        """

        async def find(request: Request, transport: Transport) -> Response:
            session, renderer = request.path_params["session"], self._visits.renderer
            token = read_token(request, transport, session)
            if token is None:
                return refusals.no_session(request, renderer, _language(request))
            try:
                visit = await self._visits.find(request, session, token)
            except StanineClientError as error:
                fields = await posted_fields(request)
                return refusals.refused(request, renderer, _language(request), error, fields)
            if visit.session.state != "Open" and not closed:
                return redirect(self._visits.links.done(session))
            return await handler(request, visit)

        return self.checked(find)

    def saving(self, routes: SavingRoutes) -> Callable[[Request], Awaitable[Response]]:
        """Return the route of scripts, which needs the cookie only: the API checks the rest."""

        async def save(request: Request, transport: Transport) -> Response:
            session = request.path_params["session"]
            token = read_token(request, transport, session)
            if token is None:
                return Response(status_code=404)
            return await routes.save(request, session, token)

        return self.checked(save)


def _language(request: Request) -> str:
    return interface_language(accepted_languages(request))


async def _healthy(_request: Request) -> Response:
    return PlainTextResponse("ok\n")
