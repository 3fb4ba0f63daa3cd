"""The pages of a participant's result: profile, figures as CSV, and why there is no result to show."""

import io
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.errors import NotFoundError, StanineClientError
from stanine.client.records import AttemptResult, ScalesInfo
from stanine.domain.tables.csv_lines import CsvLines
from stanine.pages.answers import Message, download, message, page
from stanine.pages.rendering import language_attributes
from stanine.pages.result.chart import Chart, chart_of
from stanine.pages.result.figures import ShownScale, profile_figures, scale_figures
from stanine.pages.result.sources import ResultSource
from stanine.pages.result.wording import ScoreWording
from stanine.pages.survey import refusals
from stanine.pages.survey.visits import Visit, Visits, monotonic_seconds

_COLUMNS = (
    *("scale", "title", "unit", "score", "low", "high", "level", "raw", "percentile"),
    *("norm", "band", "answered", "questions", "status"),
)


class ResultPages:
    """The routes of the result of a session."""

    def __init__(self, visits: Visits, source: ResultSource) -> None:
        self._visits, self._source = visits, source

    async def show(self, request: Request, visit: Visit) -> Response:
        """Show the result."""
        found = await self._read(request, visit)
        if isinstance(found, Response):
            return found
        result, info = found
        wording = ScoreWording(visit.language)
        scales = scale_figures(result, info)
        html = self._visits.renderer.render(
            "result/result.html",
            visit.language,
            heading=wording.gettext("Your result"),
            title=info.title,
            content=language_attributes(info.language, visit.language),
            rows=[_row(one, wording) for one in scales],
            has_intervals=any(one.low is not None for one in scales),
            has_percentiles=any(one.percentile is not None for one in scales),
            has_norms=any(one.norm is not None for one in scales),
            profiles=profile_figures(result, info),
            explanations=wording.how_to_read(scales),
            result=result,
            submitted=visit.wording.time(datetime.fromisoformat(result.submitted_at)),
            file=self._visits.links.result_file(visit.id),
        )
        return page(request, html)

    async def file(self, request: Request, visit: Visit) -> Response:
        """Return the figures of the result as CSV, unrounded."""
        found = await self._read(request, visit)
        if isinstance(found, Response):
            return found
        out = io.StringIO()
        lines = CsvLines(out, _COLUMNS)
        for one in scale_figures(*found):
            scores = (one.unit, one.value, one.low, one.high, one.level, one.raw, one.percentile)
            rest = (one.norm, one.band, one.valid, one.items, one.status)
            lines.write((one.id, one.title, *scores, *rest))
        return download(out.getvalue(), f"result-{visit.session.instrument}.csv")

    async def _read(
        self, request: Request, visit: Visit
    ) -> tuple[AttemptResult, ScalesInfo] | Response:
        """Return the result, or the page that says why there is none."""
        session = visit.session
        if session.attempt is None or session.attempt_token is None:
            return self._none(request, visit)
        try:
            result = await self._source.result(session.attempt, session.attempt_token)
            if result is None:
                return self._say(request, visit, _pending(visit, request.url.path))
            info = await self._source.scales(
                session.attempt, session.attempt_token, session.language
            )
        except NotFoundError as error:
            if session.show != "AfterRelease":
                return self._refused(request, visit, error)
            return self._none(request, visit)
        except StanineClientError as error:
            return self._refused(request, visit, error)
        if info is None:
            return self._say(request, visit, _pending(visit, request.url.path))
        if result.scales is None:
            return self._say(request, visit, _failed(visit))
        return result, info

    def _none(self, request: Request, visit: Visit) -> Response:
        session, _ = visit.session, visit.wording.gettext
        link, link_text = "", ""
        left = visit.seconds_left(monotonic_seconds())
        is_over = session.state == "Open" and left is not None and left <= 0
        if is_over and session.answers and session.show == "Participant":
            # The API submits the saved answers after the grace period.
            return self._say(request, visit, _pending(visit, request.url.path))
        if is_over and not session.answers:
            text = _("The time is over")
        elif session.state == "Open" and not is_over:
            text = _("Your answers are not submitted yet.")
            link = self._visits.links.page(visit.id, max(1, session.page))
            link_text = _("Continue")
        elif session.state == "Withdrawn":
            text = _("Your answers are deleted")
        elif session.show == "AfterRelease":
            text = _("Your result is not released yet. Open this page again later.")
        else:
            text = _("Those who invited you do not show the result here.")
        what = Message(200, _("There is no result to show"), [text], link, link_text)
        return self._say(request, visit, what)

    def _say(self, request: Request, visit: Visit, what: Message) -> Response:
        return message(request, self._visits.renderer, visit.language, what)

    def _refused(self, request: Request, visit: Visit, error: StanineClientError) -> Response:
        return refusals.refused(request, self._visits.renderer, visit.language, error)


def _pending(visit: Visit, address: str) -> Message:
    _ = visit.wording.gettext
    text = _("Your answers are submitted; the result is being computed.")
    return Message(200, _("Your result"), [text], address, _("Try again"))


def _failed(visit: Visit) -> Message:
    _ = visit.wording.gettext
    text = _(
        "Your answers are submitted, but they could not be scored. Tell those who invited you."
    )
    return Message(200, _("There is no result to show"), [text])


def _row(figures: ShownScale, wording: ScoreWording) -> dict[str, Any]:
    chart = chart_of(figures)
    value = wording.number(figures.value, figures.unit)
    named_interval = wording.named_interval(figures)
    return {
        "figures": figures,
        "unit": wording.unit(figures.unit),
        "value": value,
        "interval": wording.interval(figures),
        "level": None if figures.level is None else wording.percent(figures.level),
        "named_interval": named_interval,
        "percentile": wording.number(figures.percentile, "Percentile"),
        "answered": wording.answered(figures),
        "no_score": wording.no_score(figures) if figures.value is None else None,
        "chart": chart,
        "ticks": _ticks(chart, wording),
        "described": _described(figures, value, named_interval, wording),
    }


def _ticks(chart: Chart | None, wording: ScoreWording) -> list[tuple[str, str]]:
    if chart is None:
        return []
    return [(place, wording.number(x)) for place, x in chart.ticks]


def _described(
    figures: ShownScale, value: str, named_interval: str | None, wording: ScoreWording
) -> str:
    """Return the chart in words, for those who do not see it."""
    said = f"{figures.title}: {wording.unit(figures.unit)} {value}"
    return said if named_interval is None else f"{said}; {named_interval}"
