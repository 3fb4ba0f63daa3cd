"""The report of a group: figures of each scale over all scored attempts, by an attribute, by months, or by both."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from stanine.client.records import AttributeInfo, GroupInfo, ScaleInfo, StatisticsInfo
from stanine.pages.answers import page
from stanine.pages.console.gate import Guest
from stanine.pages.console.histogram import HEIGHT, bars_of
from stanine.pages.console.login_cookie import form_token
from stanine.pages.console.sources import OrganisationSource
from stanine.pages.rendering import Renderer, language_attributes
from stanine.pages.result.wording import ScoreWording

#: The value of `by` for months; no attribute can have it, since an id has no colon.
_MONTH = "time:month"


class ReportPages:
    """The route of a report."""

    def __init__(self, renderer: Renderer, source: OrganisationSource) -> None:
        self._renderer, self._source = renderer, source

    async def show(self, request: Request, guest: Guest) -> Response:
        """Show the report. Groups of fewer than 10 people are hidden by the API."""
        name, by = request.path_params["name"], request.query_params.getlist("by")
        by_month = _MONTH in by
        attribute = next((one for one in by if one and one != _MONTH), None)
        info = await self._source.scales(guest.login, name, guest.language)
        attributes = await self._source.attributes(guest.login, name, guest.language)
        found = await self._source.statistics(guest.login, name, attribute, by_month=by_month)
        wording = ScoreWording(guest.language)
        _ = wording.gettext
        links = self._renderer.links
        labels = _labels(attributes, attribute)
        html = self._renderer.render(
            "console/report.html",
            guest.language,
            heading=_("Group report"),
            title=info.title,
            content=language_attributes(info.language, guest.language),
            choices=[
                ("", _("All together")),
                *((one.id, one.title or one.id) for one in attributes),
            ],
            chosen=attribute or "",
            month=_MONTH,
            by_month=by_month,
            groups=[
                _group(one, info.scales, wording)
                | {"value": _value(one, labels), "name": _name(one, found, wording)}
                for one in found.groups
            ],
            hidden=found.hidden_groups,
            height=HEIGHT,
            source=(name, info.revision),
            console=links.console(),
            logout=links.logout(),
            token=form_token(guest.login),
        )
        return page(request, html)


def _labels(attributes: list[AttributeInfo], chosen: str | None) -> dict[Any, str]:
    """Return what people read for the values of the chosen attribute."""
    for one in attributes:
        if one.id == chosen and one.values and one.labels:
            pairs = zip(one.values, one.labels, strict=True)
            return {value: label for value, label in pairs if label}
    return {}


def _value(group: GroupInfo, labels: dict[Any, str]) -> str | None:
    """Return a group's value of the attribute, in the language of the instrument; None: it has none."""
    return None if group.value is None else labels.get(group.value, str(group.value))


def _name(group: GroupInfo, found: StatisticsInfo, wording: ScoreWording) -> str:
    """Return the rest of a group's name, in the language of the interface; empty if its value says all."""
    parts = []
    if found.attribute is not None and group.value is None:
        parts.append(wording.gettext("Not stated"))
    if group.month is not None:
        parts.append(wording.month(group.month))
    is_all = found.attribute is None and not found.by_month
    return wording.gettext("All together") if is_all else " · ".join(parts)


def _group(group: GroupInfo, scales: list[ScaleInfo], wording: ScoreWording) -> dict[str, Any]:
    return {
        "people": wording.ngettext("%(num)s person", "%(num)s people", group.attempts)
        % {"num": wording.number(group.attempts)},
        "scales": [_scale(one, group, wording) for one in scales],
    }


def _scale(info: ScaleInfo, group: GroupInfo, wording: ScoreWording) -> dict[str, Any]:
    title = info.title or info.id
    figures = group.scales.get(info.id)
    if figures is None:
        return {"title": title, "figures": None}
    bands = [*(info.bands or []), *(b for its in (info.bands_by_group or {}).values() for b in its)]
    names = {band.id: band.label or band.id for band in bands}
    number = wording.number
    low, middle, high = figures.quartiles or (None, None, None)
    bars = bars_of(figures.histogram)
    _ = wording.gettext
    return {
        "title": title,
        "figures": [
            (_("People with a score"), number(figures.n)),
            (_("Without a score"), number(figures.missing)),
            (_("Mean"), number(figures.mean)),
            (_("Standard deviation"), number(figures.sd)),
            (_("Lower quartile"), number(low)),
            (_("Median"), number(middle)),
            (_("Upper quartile"), number(high)),
            (_("Cronbach's alpha"), number(figures.alpha)),
            (_("Standard error of measurement"), number(figures.sem)),
        ],
        "bands": [
            (label, number(figures.bands[band]), _share(figures.bands[band], figures.n, wording))
            for band, label in names.items()
            if band in figures.bands
        ],
        "bars": bars,
        "ends": (number(bars[0].begin), number(bars[-1].end)) if bars else None,
        "counts": [(_span(bar.begin, bar.end, wording), number(bar.count)) for bar in bars],
    }


def _span(begin: float, end: float, wording: ScoreWording) -> str:
    low, high = wording.number(begin), wording.number(end)
    return low if begin == end else f"\u2066{low} \N{EN DASH} {high}\u2069"


def _share(count: int, of: int, wording: ScoreWording) -> str:
    return wording.percent(round(count / of, 3)) if of else "\N{EN DASH}"
