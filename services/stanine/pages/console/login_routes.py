"""Login with an API key, logout, and the list of instruments."""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import (
    PermanentApiError,
    RateLimitedError,
    StanineClientError,
    UnauthenticatedError,
)
from stanine.pages.answers import page, redirect
from stanine.pages.console.gate import Guest, language_of
from stanine.pages.console.login_cookie import (
    forget_login,
    form_token,
    is_form_token,
    keep_login,
)
from stanine.pages.console.sources import OrganisationSource
from stanine.pages.languages import catalog
from stanine.pages.rendering import Renderer
from stanine.pages.secure_transport import Transport
from stanine.pages.survey import refusals
from stanine.pages.survey.fields import read_fields
from stanine.pages.survey.sessions import read_body


class LoginPages:
    """The routes of a login."""

    def __init__(self, renderer: Renderer, source: OrganisationSource) -> None:
        self._renderer, self._source = renderer, source

    async def show(self, request: Request, _transport: Transport) -> Response:
        """Show the form for a key."""
        return self._form(request, None, 200)

    async def begin(self, request: Request, transport: Transport) -> Response:
        """Exchange the key for the token of a login, and keep only the token."""
        language = language_of(request)
        _ = catalog(language).gettext
        try:
            key = read_fields(await read_body(request)).get("key", [""])[0].strip()
        except ValueError:
            return refusals.unreadable(request, self._renderer, language)
        try:
            login = await self._source.begin(key) if key else ""
        except (ValueError, UnauthenticatedError, PermanentApiError):
            login = ""
        except RateLimitedError:
            return self._form(request, _("Too many logins: try again in a minute."), 429)
        except StanineClientError as error:
            return refusals.refused(request, self._renderer, language, error)
        if not login:
            return self._form(request, _("This key is not valid."), 422)
        answer = redirect(self._renderer.links.console())
        keep_login(answer, transport, login)
        return answer

    async def end(self, request: Request, guest: Guest) -> Response:
        """End the login, on the server too."""
        try:
            given = read_fields(await read_body(request)).get("token", [""])[0]
        except ValueError:
            return refusals.unreadable(request, self._renderer, guest.language)
        if not is_form_token(guest.login, given):
            return refusals.foreign(request, self._renderer, guest.language)
        await self._source.end(guest.login)
        answer = redirect(self._renderer.links.login())
        forget_login(answer, guest.transport)
        return answer

    async def instruments(self, request: Request, guest: Guest) -> Response:
        """List the instruments, each with a link to its report."""
        links, wanted = self._renderer.links, request.query_params.get("instrument", "").strip()
        if wanted:
            return redirect(links.report(wanted))
        found = await self._source.instruments(guest.login)
        html = self._renderer.render(
            "console/instruments.html",
            guest.language,
            heading=catalog(guest.language).gettext("Group reports"),
            instruments=None
            if found is None
            else [(one.title or one.name, one.name, links.report(one.name)) for one in found],
            address=links.console(),
            logout=links.logout(),
            token=form_token(guest.login),
        )
        return page(request, html)

    def _form(self, request: Request, error: str | None, status: int) -> Response:
        language = language_of(request)
        html = self._renderer.render(
            "console/login.html",
            language,
            heading=catalog(language).gettext("Log in"),
            error=error,
        )
        return page(request, html, status)
