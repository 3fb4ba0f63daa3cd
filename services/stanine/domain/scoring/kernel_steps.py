"""Derived values of raw scores: rounding, norm groups, tables, units, bands.

Used by `kernel`, one scale at a time. Each step is elementwise over the batch, by the operations that `derived` applies
to one score.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from stanine.domain.scoring.kernel_answers import Floats, Mask
from stanine.domain.scoring.plan import (
    Clause,
    Plan,
    PlannedBand,
    PlannedFrequencies,
    PlannedScale,
    PlannedTable,
)
from stanine.domain.scoring.result_records import NO_BAND, Status
from stanine.domain.scoring.rounding_vectors import round_vector

Integers = npt.NDArray[np.int64]

_ROOT_2 = math.sqrt(2.0)
#: No norm group, no row.
NOWHERE = -1


def percentiles(z: Floats) -> Floats:
    """Return the percentile of each z score."""
    erfc = math.erfc
    return 50.0 * np.array([erfc(x) for x in (-z / _ROOT_2).tolist()], dtype=np.float64)


def whole_below(x: Floats, low: int, high: int) -> Floats:
    """Return the greatest whole number up to each x at 9 decimals, limited to two ends; NaN stays."""
    found: Floats = np.clip(round_vector(x, "Down", 0), low, high)
    return found


class Table:
    """A table of scores over vectors."""

    def __init__(self, planned: PlannedTable) -> None:
        self._starts, self._ends = np.array(planned.starts), np.array(planned.ends)
        self.scores = np.array(planned.scores)

    def rows(self, raw: Floats) -> Integers:
        """Return the row of each raw score, NOWHERE where there is none."""
        places = np.searchsorted(self._starts, raw, side="right") - 1
        hit = (places >= 0) & (raw < self._ends[places])
        return np.where(hit, places, NOWHERE)

    def look_up(self, raw: Floats) -> Floats:
        """Return the score of each raw score, NaN for none."""
        return _taken(self.scores, self.rows(raw))


def _taken(values: Floats, places: Integers) -> Floats:
    return np.where(places >= 0, values[np.maximum(places, 0)], np.nan)


class Groups:
    """The norm groups of a batch's people; computed once for each list of groups that a scale has."""

    def __init__(self, plan: Plan, attributes: Floats) -> None:
        self._plan, self._attributes = plan, attributes
        self._members: dict[int, Mask] = {}
        self._first: dict[tuple[int, ...], Integers] = {}

    def first(self, groups: tuple[int, ...]) -> Integers:
        """Return the index in `groups` of each person's first group, NOWHERE for none."""
        if groups not in self._first:
            found = np.full(len(self._attributes), NOWHERE, dtype=np.int64)
            for place in reversed(range(len(groups))):
                found[self._member(groups[place])] = place
            self._first[groups] = found
        return self._first[groups]

    def _member(self, group: int) -> Mask:
        if group not in self._members:
            mask = np.ones(len(self._attributes), dtype=bool)
            for clause in self._plan.groups[group].clauses:
                mask &= self._holds(clause)
            self._members[group] = mask
        return self._members[group]

    def _holds(self, clause: Clause) -> Mask:
        x = self._attributes[:, clause.attribute]
        if clause.places is not None:
            found: Mask = np.isin(x, clause.places)
            return found
        holds = ~np.isnan(x)
        if clause.low is not None:
            holds &= x >= clause.low
        if clause.high is not None:
            holds &= x <= clause.high
        return holds


class Steps:
    """The steps after the raw scores of one scale."""

    def __init__(self, scale: PlannedScale) -> None:
        self.scale = scale
        self._means = np.array([mean for mean, _ in scale.norms.figures])
        self._sds = np.array([sd for _, sd in scale.norms.figures])
        self.tables = [
            Table(one)
            for one in ((scale.table,) if scale.table is not None else scale.norms.tables)
        ]
        self._bands = [_edges(its) for its in scale.bands]

    @property
    def are_plain(self) -> bool:
        """Whether only the bands of the raw score follow."""
        scale = self.scale
        return not (scale.norms.groups or scale.table or scale.band_groups or scale.rounding)

    def run(self, raw: Floats, status: Integers, groups: Groups) -> "Finished":
        """Round the raw scores and find norm groups, rows and bands; errors go to `status`."""
        scale = self.scale
        if scale.rounding is not None:
            raw = round_vector(raw, scale.rounding.mode, scale.rounding.decimals)
        done = Finished(self, raw)
        has = ~np.isnan(raw)
        if scale.norms.groups:
            done.norm = np.where(has, groups.first(scale.norms.groups), NOWHERE)
        if self.tables:
            done.row = self._rows(raw, done)
            looked = has if done.norm is None else has & (done.norm >= 0)
            status[looked & (done.row < 0)] = Status.NOT_IN_LOOKUP
        if done.norm is not None:
            status[has & (done.norm < 0)] = Status.NO_NORM
        if scale.band_groups:
            done.band_group = np.where(has, groups.first(scale.band_groups), NOWHERE)
            status[has & (done.band_group < 0) & (status == Status.SCORED)] = Status.NO_NORM
        if self._bands:
            done.band = self._band(done)
        return done

    def plain_bands(self, raw: Floats) -> Integers:
        """Return the band of each raw score, for a scale with no other derived values."""
        return _band_of(raw, self._bands[0])

    def _rows(self, raw: Floats, done: "Finished") -> Integers:
        if done.norm is None:
            return self.tables[0].rows(raw)
        rows = np.full(len(raw), NOWHERE, dtype=np.int64)
        for place, table in enumerate(self.tables):
            mine = done.norm == place
            rows[mine] = table.rows(raw[mine])
        return rows

    def _band(self, done: "Finished") -> Integers:
        x = done.part(self.scale.report.lower())
        if done.band_group is None:
            return _band_of(x, self._bands[0])
        bands = np.full(len(x), NO_BAND, dtype=np.int64)
        for place, edges in enumerate(self._bands):
            mine = done.band_group == place
            bands[mine] = _band_of(x[mine], edges)
        return bands

    def z(self, raw: Floats, norm: Integers) -> Floats:
        """Return z scores, NaN without a norm."""
        places = np.maximum(norm, 0)
        return np.where(norm >= 0, (raw - self._means[places]) / self._sds[places], np.nan)

    def score_of_rows(self, done: "Finished") -> Floats:
        """Return the scores of the tables."""
        assert done.row is not None
        if done.norm is None:
            return _taken(self.tables[0].scores, done.row)
        scores = np.full(len(done.raw), np.nan)
        for place, table in enumerate(self.tables):
            mine = done.norm == place
            scores[mine] = _taken(table.scores, done.row[mine])
        return scores

    def empirical(self, done: "Finished") -> Floats:
        """Return the mid-rank percentiles of norm samples."""
        assert done.norm is not None
        found = np.full(len(done.raw), np.nan)
        for place, sample in enumerate(self.scale.norms.frequencies):
            mine = done.norm == place
            found[mine] = _mid_rank(sample, done.raw[mine])
        return found


class Finished:
    """A finished scale over a batch; its parts are computed on demand."""

    def __init__(self, steps: Steps, raw: Floats) -> None:
        self._steps = steps
        self.raw = raw
        self.norm: Integers | None = None
        self.row: Integers | None = None
        self.band_group: Integers | None = None
        self.band: Integers | None = None
        self._parts: dict[str, Floats] = {"raw": raw}

    def part(self, name: str) -> Floats:
        """Return a part of the scale: NaN where it has no value."""
        if name not in self._parts:
            self._parts[name] = self._part(name)
        return self._parts[name]

    def _part(self, name: str) -> Floats:
        steps = self._steps
        if name == "score":
            return steps.score_of_rows(self)
        if name == "percentile" and steps.scale.norms.frequencies:
            return steps.empirical(self)
        if name == "z":
            assert self.norm is not None
            return steps.z(self.raw, self.norm)
        z = self.part("z")
        match name:
            case "t":
                return 50.0 + 10.0 * z
            case "sten":
                return whole_below(2.0 * z + 6.0, 1, 10)
            case "stanine":
                return whole_below(2.0 * z + 5.5, 1, 9)
        return percentiles(z)


def _mid_rank(sample: PlannedFrequencies, raw: Floats) -> Floats:
    places = np.searchsorted(np.array(sample.starts), raw, side="right") - 1
    at = np.maximum(places, 0)
    found = np.where(
        raw < np.array(sample.ends)[at], np.array(sample.at)[at], np.array(sample.above)[at]
    )
    return np.where(np.isnan(raw), np.nan, np.where(places >= 0, found, 0.0))


def _edges(bands: tuple[PlannedBand, ...]) -> tuple[Floats, int]:
    """Return the starts of the bands, and the index of the band below the first of them (-1: none)."""
    starts = [band.start for band in bands if band.start is not None]
    return np.array(starts, dtype=np.float64), len(bands) - len(starts) - 1


def _band_of(x: Floats, edges: tuple[Floats, int]) -> Integers:
    starts, first = edges
    places: Any = starts.searchsorted(x, side="right") + first
    places[np.isnan(x) | (places < 0)] = NO_BAND
    bands: Integers = places
    return bands
