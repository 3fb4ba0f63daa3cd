"""The records of a scoring plan: an instrument compiled to numbers, so that the kernel looks nothing up by name.

Made by `scoring.compile_plan`, stored in the index entry, run by `kernel`, read by `result`.
"""

from typing import Literal

import msgspec

from stanine.domain.attempts.answer_codes import Cell
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.record_types import Method, Value
from stanine.domain.instruments.scale_records import Interval, Report, Rounding, Standard
from stanine.domain.scoring.points import Table, Wide
from stanine.domain.scoring.ranges import Range, RangedScale

#: The version of what plans mean and how they are run. A change that can alter any result's bytes makes it greater.
ENGINE_VERSION = 2

#: The parts of a scale that others can name, in the order of their numbers.
Part = Literal["raw", "score", "z", "t", "sten", "stanine", "percentile"]


class Term(msgspec.Struct, frozen=True, array_like=True):
    """One item of a scale: its place in the form, its points (a table by code, or what a wider answer gives), its weight and ends."""

    item: int
    table: int | None
    wide: Wide | None
    weight: float
    low: float
    high: float
    #: The places of missing options, where a wider answer of a Multiple is computed.
    missing: tuple[int, ...] = ()


class PlannedPart(msgspec.Struct, frozen=True, array_like=True):
    """One scale of a composite or profile, or a part of it; the ends are those of its raw score, for Percent."""

    scale: int
    part: Part
    weight: float = 1.0
    low: float = 0.0
    high: float = 0.0


class PlannedBand(msgspec.Struct, frozen=True, array_like=True):
    """A band, and the smallest double that lies in it or beyond (None: it has no lower end)."""

    id: str
    start: float | None


class PlannedTable(msgspec.Struct, frozen=True, array_like=True):
    """A table of scores: row by row the doubles from `starts` (included) to `ends` (excluded), in their order."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    scores: tuple[float, ...]
    ses: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    percentiles: tuple[float | None, ...]


class PlannedFrequencies(msgspec.Struct, frozen=True, array_like=True):
    """A norm sample: of each raw score the doubles that are it, its percentile, and the percentile of what lies above it."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    at: tuple[float, ...]
    above: tuple[float, ...]


class PlannedNorms(msgspec.Struct, frozen=True, array_like=True):
    """What the norm groups of a scale compare it with: a number of the plan's groups, and the figures of each."""

    groups: tuple[int, ...] = ()
    figures: tuple[tuple[float, float], ...] = ()
    tables: tuple[PlannedTable, ...] = ()
    frequencies: tuple[PlannedFrequencies, ...] = ()


class PlannedInput(msgspec.Struct, frozen=True, array_like=True):
    """A name of a formula: an item (numbers or values by code, or what a wider answer gives), an attribute, or a part of a scale."""

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
    """A formula and where its names get their values."""

    tree: Formula
    numbers: tuple[PlannedInput, ...]
    values: tuple[PlannedInput, ...]
    answered: tuple[PlannedInput, ...]
    tables: tuple[tuple[str, PlannedTable], ...]
    min_valid: int | None


class PlannedScale(msgspec.Struct, frozen=True, array_like=True):
    """One scale: what is added up, and what is made of the sums."""

    id: str
    kind: Literal["Items", "Scales", "Formula"]
    method: Method
    terms: tuple[Term, ...]
    min_valid: int
    #: Points of a missing answer; None: it is missing.
    unanswered: float | None
    multiply: float
    constant: float
    #: Bands of all, or by norm group in the order of `band_groups`.
    bands: tuple[tuple[PlannedBand, ...], ...]
    #: What a result reports as `items`, unless some are excluded.
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
    #: What people read.
    title: str | None = None
    #: Whether a result holds more than the raw score and a band of it.
    derives: bool = False

    @property
    def has_bands(self) -> bool:
        """Whether a result holds a band of the scale."""
        return bool(self.bands)

    @property
    def has_table(self) -> bool:
        """Whether a result holds a score of the scale."""
        return self.table is not None or bool(self.norms.tables)


class PlannedProfile(msgspec.Struct, frozen=True, array_like=True):
    """The highest of several scales."""

    id: str
    of: tuple[PlannedPart, ...]
    names: tuple[str, ...]
    top: int
    ties: Literal["List", "First"]


class PlannedAttribute(msgspec.Struct, frozen=True, array_like=True):
    """An attribute that scores depend on: a number, or one of some values (others count as none of them)."""

    id: str
    kind: Literal["Number", "Values"]
    values: tuple[Value, ...] = ()


class Clause(msgspec.Struct, frozen=True, array_like=True):
    """One attribute of a norm group: between two numbers, or one of some values by their places."""

    attribute: int
    low: float | None = None
    high: float | None = None
    places: tuple[int, ...] | None = None


class PlannedGroup(msgspec.Struct, frozen=True, array_like=True):
    """A norm group: all its clauses hold; without any, for everybody."""

    id: str
    clauses: tuple[Clause, ...]


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """How the attempts of one form are scored. Tables are shared: points by code, None where an answer gives none."""

    #: Where the answer to each item lies in a row.
    cells: tuple[Cell, ...]
    tables: tuple[Table, ...]
    scales: tuple[PlannedScale, ...]
    #: The places of scales that need others, parts first.
    order: tuple[int, ...] = ()
    groups: tuple[PlannedGroup, ...] = ()
    attributes: tuple[PlannedAttribute, ...] = ()
    profiles: tuple[PlannedProfile, ...] = ()

    @property
    def row_bytes(self) -> int:
        """How many bytes the answers of an attempt take, the texts that may follow them aside."""
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
