"""Login with an API key, logout, and the list of instruments."""

import math
import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import (
    PermanentApiError,
    RateLimitedError,
    StanineClientError,
    UnauthenticatedError,
)
from stanine.domain.login_limit import WINDOW_SECONDS, LoginLimit
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

#: Failed logins of a browser's address per minute, in each process of the pages.
MAX_FAILED_OF_ADDRESS = 10


class LoginPages:
    """The routes of a login."""

    def __init__(
        self, renderer: Renderer, source: OrganisationSource, clock: Callable[[], float]
    ) -> None:
        """`clock`: returns seconds of a clock that nobody sets."""
        self._renderer, self._source, self._clock = renderer, source, clock
        self._limit = LoginLimit(secrets.token_bytes(32), MAX_FAILED_OF_ADDRESS)

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
        # Counted before the key is tried, so that logins at the same time do not exceed the limit.
        wait = self._limit.begin(transport.client, self._clock())
        if wait:
            return self._too_many(request, wait)
        try:
            login = await self._source.begin(key) if key else ""
        except (ValueError, UnauthenticatedError, PermanentApiError):
            login = ""
        except RateLimitedError as error:
            return self._too_many(request, math.ceil(error.retry_after or WINDOW_SECONDS))
        except StanineClientError as error:
            self._limit.succeed(transport.client)
            return refusals.refused(request, self._renderer, language, error)
        if not login:
            return self._form(request, _("This key is not valid."), 422)
        self._limit.succeed(transport.client)
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

    def _too_many(self, request: Request, seconds: int) -> Response:
        _ = catalog(language_of(request)).gettext
        answer = self._form(request, _("Too many logins: try again in a minute."), 429)
        answer.headers["retry-after"] = str(seconds)
        return answer

    def _form(self, request: Request, error: str | None, status: int) -> Response:
        language = language_of(request)
        html = self._renderer.render(
            "console/login.html",
            language,
            heading=catalog(language).gettext("Log in"),
            error=error,
        )
        return page(request, html, status)
