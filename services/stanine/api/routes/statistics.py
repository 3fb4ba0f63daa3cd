"""Statistics of an instrument's scores, by an attribute and by months."""

from stanine.api.attempt_reader import AttemptReader
from stanine.api.intake.validation import Checker
from stanine.api.result_presenter import ResultPresenter
from stanine.api.statistics import Statistics, StatisticsBody, StatisticsOrder
from stanine.api.web.auth import Scope
from stanine.api.web.http import Request
from stanine.api.web.problems import FULL, INVALID_REQUEST, NOT_INDEXED, Problem
from stanine.api.web.queries import BY
from stanine.api.web.routing import Content, Route

#: The word of `by` for months; no attribute can have it, since an id has no colon.
_MONTH = "time:month"


class StatisticsRoutes:
    """The route that reads statistics."""

    def __init__(self, reader: AttemptReader, scorings: ResultPresenter, checker: Checker) -> None:
        self._checker = checker
        self._statistics = Statistics(reader, scorings)

    async def read(self, request: Request) -> None:
        """Answer with the figures of each scale by groups."""
        name = request.parameters["name"]
        entry = await self._checker.entry(name, None)
        by = [*request.query["by"]]
        by_month = _MONTH in by
        attributes = [each for each in by if each != _MONTH]
        if len(attributes) > 1:
            raise Problem(INVALID_REQUEST, "by takes at most one attribute, and time:month.")
        attribute = attributes[0] if attributes else None
        if attribute is not None:
            declared = {each.id: each for each in entry.attributes}
            if attribute not in declared or declared[attribute].values is None:
                known = ", ".join(each.id for each in entry.attributes if each.values) or "none"
                raise Problem(
                    INVALID_REQUEST,
                    f"by takes attributes that have a list of values in the newest revision: {known}.",
                )
        await self._statistics.send(request, StatisticsOrder(name, attribute, by_month))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/instruments/{name}/statistics",
                handler=self.read,
                name="readStatistics",
                summary="Read figures of each scale: mean, SD, quartiles, histogram, bands, alpha; small groups are hidden",
                tag="results",
                scope=Scope.RESULTS_READ,
                query=(BY,),
                answers={200: Content({"application/json": StatisticsBody})},
                problems=(NOT_INDEXED, INVALID_REQUEST, FULL),
            ),
        )
