"""What participants read when a page cannot be shown. Called by the routes for errors of the client."""

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import (
    InvitationEndedError,
    NotFoundError,
    SessionClosedError,
    StanineClientError,
    TemporaryError,
)
from stanine.pages.answers import Message, message, page
from stanine.pages.languages import catalog
from stanine.pages.rendering import Renderer
from stanine.telemetry.logs import get_log

#: Seconds after which a browser or proxy may try again.
_RETRY_SECONDS = "3"

log = get_log()


def not_encrypted(request: Request, renderer: Renderer, language: str) -> Response:
    """Return the page for a request over plain HTTP from another machine."""
    _ = catalog(language).gettext
    what = Message(
        403,
        _("This address needs TLS"),
        [
            _("Answers are sent over encrypted connections only. Open this page with https://."),
            _(
                "For the operator: put a proxy with TLS in front, and name its addresses with --trust-proxy."
            ),
        ],
    )
    return message(request, renderer, language, what)


def foreign(request: Request, renderer: Renderer, language: str) -> Response:
    """Return the page for a form that another site sent."""
    _ = catalog(language).gettext
    what = Message(
        403,
        _("This form was sent by another site"),
        [_("Nothing was changed. Open your invitation's link again.")],
    )
    return message(request, renderer, language, what)


def no_session(request: Request, renderer: Renderer, language: str) -> Response:
    """Return the page for an address of a session that this browser has no cookie for."""
    _ = catalog(language).gettext
    what = Message(
        403,
        _("Please open your link again"),
        [
            _(
                "This browser does not know the questionnaire of this address. The link of your invitation leads back"
                " to it; your saved answers are still there."
            )
        ],
    )
    return message(request, renderer, language, what)


def unreadable(request: Request, renderer: Renderer, language: str) -> Response:
    """Return the page for a request body that is no form of these pages."""
    _ = catalog(language).gettext
    what = Message(400, _("This form cannot be read"), [_("Go back and try again.")])
    return message(request, renderer, language, what)


def refused(
    request: Request,
    renderer: Renderer,
    language: str,
    error: StanineClientError,
    fields: dict[str, list[str]] | None = None,
) -> Response:
    """Return the page for an error of the API. `fields`: a posted form, to be sent again."""
    _ = catalog(language).gettext
    match error:
        case InvitationEndedError():
            reasons = {
                "Revoked": _("This invitation was withdrawn by those who sent it."),
                "Expired": _("The time for this invitation is over."),
                "Used": _("This link was used as often as it may be."),
            }
            text = reasons.get(error.problem.reason, _("This invitation has ended."))
            what = Message(410, _("This invitation has ended"), [text])
        case NotFoundError():
            what = Message(
                404,
                _("There is nothing at this address"),
                [
                    _(
                        "Check that the link is complete. A questionnaire is removed some time after its last answer."
                    )
                ],
            )
        case SessionClosedError():
            what = Message(
                410,
                _("This questionnaire is closed"),
                [_("It was submitted or withdrawn; further answers are not saved.")],
            )
        case TemporaryError():
            log.warning("pages.unavailable", error=type(error).__name__)
            return _try_again(request, renderer, language, fields)
        case _:
            log.error("pages.failed", error=str(error))
            return defect(request, renderer, language, 502)
    return message(request, renderer, language, what)


def defect(request: Request, renderer: Renderer, language: str, status: int = 500) -> Response:
    """Return the page for an error that no participant can remedy."""
    _ = catalog(language).gettext
    what = Message(
        status,
        _("Something went wrong"),
        [_("This is not your fault. Your saved answers are still there; try again later.")],
    )
    return message(request, renderer, language, what)


def _try_again(
    request: Request, renderer: Renderer, language: str, fields: dict[str, list[str]] | None
) -> Response:
    text = renderer.render(
        "survey/try_again.html",
        language,
        heading=catalog(language).gettext("Not possible at the moment"),
        address=request.url.path,
        method="get" if fields is None else "post",
        fields=[(name, value) for name, values in (fields or {}).items() for value in values],
    )
    answer = page(request, text, 503)
    answer.headers["retry-after"] = _RETRY_SECONDS
    return answer
