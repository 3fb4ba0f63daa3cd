"""Computes statistics of an instrument's attempts in slices, in bounded memory. Used by the route `readStatistics`.

All scored attempts are read in order of arrival and counted by month and attribute; figures are computed from the counts.
A million attempts take a minute or more: while an answer is computed, spaces are sent, which JSON permits before a value, so
that neither the client nor a proxy gives up.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from stanine.api.attempt_reader import AttemptReader, Found
from stanine.api.intake.bulk_stream import STALL_SECONDS
from stanine.api.result_presenter import ResultPresenter
from stanine.api.web.http import JSON, Request
from stanine.api.web.problems import FULL, INVALID_REQUEST, Problem
from stanine.domain.scoring.index import IndexEntry
from stanine.domain.statistics.group_counts import GroupCounts
from stanine.domain.statistics.group_figures import Figures, GroupFigures, figures_of
from stanine.domain.statistics.term_points import ScalePoints
from stanine.store.attempt_lists import AttemptFilter
from stanine.store.cursors import Cursor

#: Computations at once in a process, and attempts between two other requests.
MAX_AT_ONCE, _SLICE = 2, 25
#: Seconds between two spaces.
_ALIVE_SECONDS = 5.0
#: Maximum number of cells: values of the attribute by months.
MAX_CELLS = 5_000
_MONTH = len("2026-11")

_SCORED = AttemptFilter(state="Scored")


class StatisticsBody(msgspec.Struct, frozen=True, rename="camel"):
    """Figures of an instrument's scored attempts, by groups; groups of fewer than 10 people are hidden."""

    instrument: str
    #: The attribute, or null; whether by month, UTC.
    attribute: str | None
    by_month: bool
    groups: list[GroupFigures]
    #: How many groups are hidden: small ones, and others from which they could be computed.
    hidden_groups: int


class StatisticsOrder(msgspec.Struct, frozen=True):
    """What is asked for."""

    name: str
    attribute: str | None
    by_month: bool


class Statistics:
    """Computes statistics."""

    def __init__(self, reader: AttemptReader, scorings: ResultPresenter) -> None:
        self._reader = reader
        self._scorings = scorings
        self._running = 0

    async def send(self, request: Request, order: StatisticsOrder) -> None:
        """Answer with the figures. Raises the problem `full` while others are computed."""
        if self._running >= MAX_AT_ONCE:
            raise Problem(FULL, f"{MAX_AT_ONCE} statistics are being computed; try again later.")
        self._running += 1
        try:
            cells = await self._count(request, order)
        finally:
            self._running -= 1
        found: Figures = figures_of(
            cells, by_value=order.attribute is not None, by_month=order.by_month
        )
        body = StatisticsBody(
            order.name, order.attribute, order.by_month, found.groups, found.hidden
        )
        if not request.started:
            await request.begin(200, JSON)
        await _write(request, msgspec.json.encode(body), more=False)

    async def _count(
        self, request: Request, order: StatisticsOrder
    ) -> Mapping[tuple[Any, str], GroupCounts]:
        cells: dict[tuple[Any, str], GroupCounts] = {}
        points = _Points()
        after, alive_at = Cursor(), time.monotonic()
        while True:
            page = await self._reader.attempts(order.name, after, None, _SCORED)
            for start in range(0, len(page.items), _SLICE):
                for found in page.items[start : start + _SLICE]:
                    await self._add(cells, found, points, order)
                await asyncio.sleep(0)
            if time.monotonic() - alive_at > _ALIVE_SECONDS:
                alive_at = time.monotonic()
                if not request.started:
                    await request.begin(200, JSON)
                await _write(request, b" ")
            if page.at_end:
                return cells
            after = page.next

    async def _add(
        self,
        cells: dict[tuple[Any, str], GroupCounts],
        found: Found,
        points: "_Points",
        order: StatisticsOrder,
    ) -> None:
        assert found.result is not None
        body = await self._scorings.body(found.view, found.entry, found.attempt, found.result)
        if isinstance(body.scales, msgspec.UnsetType):
            return
        value = None if order.attribute is None else found.attempt.attributes.get(order.attribute)
        name = value, body.submitted_at[:_MONTH]
        if name not in cells:
            if len(cells) == MAX_CELLS:
                raise Problem(
                    INVALID_REQUEST,
                    f"There are more than {MAX_CELLS} groups: leave the attribute out.",
                )
            cells[name] = GroupCounts()
        readers = points.of(found.entry)
        cells[name].add(
            {
                scale: (
                    one.raw,
                    None if isinstance(one.band, msgspec.UnsetType) else one.band,
                    readers[scale].read(found.attempt.codes, has_score=one.raw is not None)
                    if scale in readers
                    else None,
                )
                for scale, one in body.scales.items()
            }
        )


class _Points:
    """Readers of points by form; scales over items only, since alpha is undefined for others."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], dict[str, ScalePoints]] = {}

    def of(self, entry: IndexEntry) -> dict[str, ScalePoints]:
        name = entry.form, entry.revision
        if name not in self._made:
            self._made[name] = {
                scale.id: ScalePoints(entry, scale)
                for scale in entry.plan.scales
                if scale.kind == "Items" and not scale.internal
            }
        return self._made[name]


async def _write(request: Request, part: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(STALL_SECONDS):
        await request.write(part, more=more)
