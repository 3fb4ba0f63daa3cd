"""Review, own answers as a file, submit, thank-you, withdrawal."""

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import InvalidAttemptError, SessionClosedError, StanineClientError
from stanine.pages.answers import download, redirect
from stanine.pages.answers import page as page_answer
from stanine.pages.cookies import forget_token
from stanine.pages.rendering import data_block, language_attributes
from stanine.pages.secure_transport import Transport
from stanine.pages.survey import checking, refusals
from stanine.pages.survey.answers_file import answers_csv
from stanine.pages.survey.language_choices import LanguageChoice, language_choices
from stanine.pages.survey.script_data import modules_of, script_data
from stanine.pages.survey.visits import Visit, Visits, monotonic_seconds


class ClosingRoutes:
    """The routes at the end of a session."""

    def __init__(self, visits: Visits) -> None:
        self._visits = visits

    async def review(self, request: Request, visit: Visit) -> Response:
        """List what is unanswered, and offer to submit."""
        return self._review(request, visit, 200)

    async def answers_file(self, _request: Request, visit: Visit) -> Response:
        """Return the saved answers as CSV. After submission the API does not give them to the participant."""
        session = visit.session
        text = answers_csv(visit.prepared, session.answers, session.attributes)
        return download(text, f"answers-{session.instrument}.csv")

    async def submit(self, request: Request, visit: Visit) -> Response:
        """Submit the session, once however often this is posted, and go to the thank-you page."""
        try:
            done = await self._visits.source.submit(visit.id, visit.token)
        except InvalidAttemptError:
            return self._review(request, visit, 422)
        except SessionClosedError:
            return redirect(self._visits.links.done(visit.id))
        except StanineClientError as error:
            return refusals.refused(request, self._visits.renderer, visit.language, error, {})
        return redirect(done.return_url or self._visits.links.done(visit.id))

    async def done(self, request: Request, visit: Visit) -> Response:
        """Thank, and say what comes next."""
        session, links, _ = visit.session, self._visits.links, visit.wording.gettext
        left = visit.seconds_left(monotonic_seconds())
        if session.state == "Open" and (left is None or left > 0):
            return redirect(links.page(visit.id, max(1, session.page)))
        link, text, is_away = "", "", False
        if session.state == "Withdrawn":
            heading, paragraphs = _("Your answers are deleted"), [_("You can close this page.")]
        else:
            is_over = session.state == "Open"
            heading = _("The time is over") if is_over else _("Thank you")
            paragraphs = [
                _("What you answered in time is submitted.")
                if is_over
                else _("Your answers are submitted.")
            ]
            if session.return_url:
                link, is_away = session.return_url, True
                text = _("Continue to %(host)s") % {"host": urlsplit(link).hostname or link}
            elif session.show == "Participant":
                link, text = links.result(visit.id), _("Show my result")
                if is_over:
                    paragraphs.append(_("It can take a minute until your result is there."))
            elif session.show == "AfterRelease":
                paragraphs.append(
                    _(
                        "Your result is shown after its release: open the link of your invitation again then."
                    )
                )
                link, text = links.result(visit.id), _("Show my result")
            else:
                paragraphs.append(_("You can close this page."))
        html = self._visits.renderer.render(
            "survey/done.html",
            visit.language,
            heading=heading,
            choices=_shown_in(visit),
            address=links.done(visit.id),
            paragraphs=paragraphs,
            link=link,
            link_text=text,
            is_away=is_away,
            data=data_block({"session": visit.id}),
        )
        return page_answer(request, html)

    async def ask_withdrawal(self, request: Request, visit: Visit) -> Response:
        """Ask whether the answers are to be deleted."""
        links = self._visits.links
        html = self._visits.renderer.render(
            "survey/withdrawal.html",
            visit.language,
            heading=visit.wording.gettext("Stop and delete my answers"),
            choices=visit.languages,
            change=links.language(visit.id),
            back=links.page(visit.id, max(1, visit.session.page)),
        )
        return page_answer(request, html)

    async def withdraw(self, request: Request, visit: Visit, transport: Transport) -> Response:
        """Delete the answers."""
        renderer, _ = self._visits.renderer, visit.wording.gettext
        try:
            await self._visits.source.withdraw(visit.id, visit.token)
        except SessionClosedError:
            return redirect(self._visits.links.done(visit.id))
        except StanineClientError as error:
            return refusals.refused(request, renderer, visit.language, error, {})
        html = renderer.render(
            "survey/done.html",
            visit.language,
            heading=_("Your answers are deleted"),
            choices=[],
            address="",
            paragraphs=[_("You can close this page.")],
            link="",
            link_text="",
            is_away=False,
            data=data_block({"session": visit.id}),
        )
        answer = page_answer(request, html)
        forget_token(answer, transport, visit.id)
        return answer

    def _review(self, request: Request, visit: Visit, status: int) -> Response:
        links, prepared = self._visits.links, visit.prepared
        open_items: list[dict[str, Any]] = []
        missing: list[dict[str, Any]] = []
        for page in visit.pages:
            for name in page.attributes:
                one = prepared.attributes[name]
                if one.required and name not in visit.session.attributes:
                    link = links.page(visit.id, page.number, name)
                    missing.append({"text": one.title or name, "link": link})
            for item in checking.unanswered(
                prepared, page, visit.session.answers, visit.open_items
            ):
                its = prepared.items[item]
                entry = {"text": its.text, "link": links.page(visit.id, page.number, item)}
                (missing if its.required else open_items).append(entry)
        left = visit.seconds_left(monotonic_seconds())
        back = visit.page_before(len(visit.pages) + 1)
        html = self._visits.renderer.render(
            "survey/review.html",
            visit.language,
            heading=visit.wording.gettext("Submit your answers"),
            choices=visit.languages,
            change=links.language(visit.id),
            content=language_attributes(prepared.form.language, visit.language),
            missing=missing,
            unanswered=open_items,
            is_empty=not visit.session.answers,
            time_left=None if left is None else visit.wording.time_left(left),
            back=None if back is None else links.page(visit.id, back),
            answers_file=links.answers_file(visit.id),
            withdrawal=links.withdrawal(visit.id),
            modules=modules_of([], has_timer=left is not None),
            data=data_block(script_data(visit, None, links, left)),
        )
        return page_answer(
            request,
            html,
            422 if missing and status == 422 else status,
            form_target=_origin(visit.session.return_url),
        )


def _shown_in(visit: Visit) -> list[LanguageChoice]:
    """Return the choices of a page whose texts are the interface's only, after the end of the session."""
    return language_choices(visit.prepared.form.languages, visit.language)


def _origin(address: str | None) -> str:
    """Return the origin of an address; browsers apply `form-action` to redirections too."""
    if address is None:
        return ""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"https", "http"} else ""
