"""The steps before a page of the console: TLS, the sender, the login; and the pages for the API's errors."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import (
    InvalidRequestError,
    MalformedRequestError,
    MissingScopeError,
    NotFoundError,
    StanineClientError,
    UnauthenticatedError,
)
from stanine.pages.answers import Message, message, redirect
from stanine.pages.console.login_cookie import forget_login, read_login
from stanine.pages.languages import catalog, interface_language
from stanine.pages.rendering import Renderer
from stanine.pages.secure_transport import Transport
from stanine.pages.survey import refusals
from stanine.pages.survey.visits import accepted_languages


@dataclass(frozen=True)
class Guest:
    """One request of somebody with a login."""

    login: str = field(repr=False)
    language: str
    transport: Transport


GuestHandler = Callable[[Request, Guest], Awaitable[Response]]


def language_of(request: Request) -> str:
    """Return the language of the interface that a browser wants."""
    return interface_language(accepted_languages(request))


def logged_in(
    renderer: Renderer, handler: GuestHandler
) -> Callable[[Request, Transport], Awaitable[Response]]:
    """Return a route that needs a login; without one, or after its end, it leads to the login page."""

    async def answer(request: Request, transport: Transport) -> Response:
        login, language = read_login(request, transport), language_of(request)
        if login is None:
            return redirect(renderer.links.login())
        try:
            return await handler(request, Guest(login, language, transport))
        except UnauthenticatedError:
            gone = redirect(renderer.links.login())
            forget_login(gone, transport)
            return gone
        except StanineClientError as error:
            return _refused(request, renderer, language, error)

    return answer


def _refused(
    request: Request, renderer: Renderer, language: str, error: StanineClientError
) -> Response:
    _ = catalog(language).gettext
    match error:
        case NotFoundError():
            status, text = 404, _("There is no such instrument, or your key does not reach it.")
        case MissingScopeError():
            status, text = 403, _("Your key needs the scope results:read for this report.")
        case InvalidRequestError() | MalformedRequestError():
            status, text = 422, _("Groups can be made of attributes with a list of values only.")
        case _:
            return refusals.refused(request, renderer, language, error)
    what = Message(status, _("No report"), [text], renderer.links.console(), _("All instruments"))
    return message(request, renderer, language, what)
