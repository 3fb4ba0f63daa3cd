"""The records of a scoring plan: an instrument compiled to numbers; the kernel needs no names.

Created by `compiler.compile_plan`, stored in the index entry, run by `kernel`, read by `result`.
"""

from typing import Literal

import msgspec

from stanine.domain.attempts.answer_codes import Cell
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.record_types import Method, Value
from stanine.domain.instruments.scale_records import Interval, Report, Rounding, Standard
from stanine.domain.scoring.points import Table, Wide
from stanine.domain.scoring.ranges import Range, RangedScale

#: Version of what plans mean and how they are run; raised by every change that can alter any result's bytes.
ENGINE_VERSION = 3

#: The parts of a scale that others can name, in the order of their numbers.
Part = Literal["raw", "score", "z", "t", "sten", "stanine", "percentile"]


class Term(msgspec.Struct, frozen=True, array_like=True):
    """One item of a scale: its index in the form, its points, weight and ends.

    The points are a table by code, or a rule for a wider answer.
    """

    item: int
    table: int | None
    wide: Wide | None
    weight: float
    low: float
    high: float
    #: The indices of missing options, for a wider answer of a Multiple.
    missing: tuple[int, ...] = ()


class PlannedPart(msgspec.Struct, frozen=True, array_like=True):
    """One scale of a composite or profile, or a part of it.

    The ends are those of its raw score, for Percent.
    """

    scale: int
    part: Part
    weight: float = 1.0
    low: float = 0.0
    high: float = 0.0


class PlannedBand(msgspec.Struct, frozen=True, array_like=True):
    """A band, and the smallest double in it or beyond it (None: it has no lower end)."""

    id: str
    start: float | None


class PlannedTable(msgspec.Struct, frozen=True, array_like=True):
    """A table of scores: each row from `starts` (included) to `ends` (excluded), sorted."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    scores: tuple[float, ...]
    ses: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    percentiles: tuple[float | None, ...]


class PlannedFrequencies(msgspec.Struct, frozen=True, array_like=True):
    """A norm sample: for each raw score its doubles, its percentile, and the percentile above it."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    at: tuple[float, ...]
    above: tuple[float, ...]


class PlannedNorms(msgspec.Struct, frozen=True, array_like=True):
    """The norms of a scale: the indices of the plan's norm groups, and the figures of each."""

    groups: tuple[int, ...] = ()
    figures: tuple[tuple[float, float], ...] = ()
    tables: tuple[PlannedTable, ...] = ()
    frequencies: tuple[PlannedFrequencies, ...] = ()


class PlannedInput(msgspec.Struct, frozen=True, array_like=True):
    """A name of a formula: an item, an attribute, or a part of a scale.

    Of an item: numbers or values by code, or a rule for a wider answer.
    """

    name: str
    source: Literal["Item", "Attribute", "Scale"]
    place: int
    part: Part = "raw"
    numbers: Table | None = None
    wide: Wide | None = None
    values: tuple[Value, ...] = ()
    #: Which of the values are `missing` options.
    missing: tuple[bool, ...] = ()


class PlannedFormula(msgspec.Struct, frozen=True, array_like=True):
    """A formula and the sources of its names' values."""

    tree: Formula
    numbers: tuple[PlannedInput, ...]
    values: tuple[PlannedInput, ...]
    answered: tuple[PlannedInput, ...]
    tables: tuple[tuple[str, PlannedTable], ...]
    min_valid: int | None


class PlannedScale(msgspec.Struct, frozen=True, array_like=True):
    """One scale: its terms, and what is derived from their sums."""

    id: str
    kind: Literal["Items", "Scales", "Formula"]
    method: Method
    terms: tuple[Term, ...]
    min_valid: int
    #: Points of a missing answer; None: it is missing.
    unanswered: float | None
    multiply: float
    constant: float
    #: Bands for all, or by norm group in the order of `band_groups`.
    bands: tuple[tuple[PlannedBand, ...], ...]
    #: The `items` of a result, unless some are excluded.
    items: int
    range: Range | None
    #: Points of an item that was not shown; None: it is missing, or excluded.
    not_shown: float | None = None
    excludes: bool = False
    parts: tuple[PlannedPart, ...] = ()
    formula: PlannedFormula | None = None
    rounding: Rounding | None = None
    table: PlannedTable | None = None
    norms: PlannedNorms = PlannedNorms()
    band_groups: tuple[int, ...] = ()
    standard: tuple[Standard, ...] = ()
    report: Report = "Raw"
    reliability: float | None = None
    interval: Interval | None = None
    has_se: bool = False
    has_limits: bool = False
    has_table_percentile: bool = False
    internal: bool = False
    #: For the range without excluded items.
    ranged: RangedScale | None = None
    #: The title shown to people.
    title: str | None = None
    #: Whether a result contains more than the raw score and its band.
    derives: bool = False

    @property
    def has_bands(self) -> bool:
        """Whether a result contains a band of the scale."""
        return bool(self.bands)

    @property
    def has_table(self) -> bool:
        """Whether a result contains a table score of the scale."""
        return self.table is not None or bool(self.norms.tables)


class PlannedProfile(msgspec.Struct, frozen=True, array_like=True):
    """The highest of several scales."""

    id: str
    of: tuple[PlannedPart, ...]
    names: tuple[str, ...]
    top: int
    ties: Literal["List", "First"]


class PlannedAttribute(msgspec.Struct, frozen=True, array_like=True):
    """An attribute that scores depend on: a number, or one of a list of values.

    Values outside the list match none of them.
    """

    id: str
    kind: Literal["Number", "Values"]
    values: tuple[Value, ...] = ()


class Clause(msgspec.Struct, frozen=True, array_like=True):
    """One attribute of a norm group: between two numbers, or one of some values by index."""

    attribute: int
    low: float | None = None
    high: float | None = None
    places: tuple[int, ...] | None = None


class PlannedGroup(msgspec.Struct, frozen=True, array_like=True):
    """A norm group: all its clauses must hold; without any, it matches everyone."""

    id: str
    clauses: tuple[Clause, ...]


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """The scoring plan of one form.

    Tables are shared: points by code, None where an answer gives none.
    """

    #: The position of each item's answer in a row.
    cells: tuple[Cell, ...]
    tables: tuple[Table, ...]
    scales: tuple[PlannedScale, ...]
    #: The indices of the scales that depend on others, parts first.
    order: tuple[int, ...] = ()
    groups: tuple[PlannedGroup, ...] = ()
    attributes: tuple[PlannedAttribute, ...] = ()
    profiles: tuple[PlannedProfile, ...] = ()

    @property
    def row_bytes(self) -> int:
        """Bytes of the answers of an attempt, without the texts that may follow."""
        last = self.cells[-1]
        return last.offset + last.width

    @property
    def has_texts(self) -> bool:
        """Whether texts may follow the row."""
        return any(cell.kind == "Text" for cell in self.cells)

    @property
    def needs_attributes(self) -> bool:
        """Whether scores depend on attributes."""
        return bool(self.attributes)
