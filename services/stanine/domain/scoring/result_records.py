"""The bytes of a stored result, and the records of its meaning.

Written by `kernel`; others import from `result`. Only what the kernel alone knows is stored; what follows from it
(units, standard errors, profiles) is computed when a result is read, by the plan that scored it: `result_values`.

    body        per scale raw (float64, NaN for none), valid, status, band; little-endian. Then the extension
    extension   per scale, if it has such: norm 1, band group 1, row of its table 2; with excluded items: items 2, range 8 + 8
"""

import math
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from stanine.domain.scoring.plan import Plan, PlannedScale

#: One scale of a stored result: raw, valid, status, band; little-endian.
_SCALE = struct.Struct("<dHBB")
SCALE_BYTES = _SCALE.size
#: Stored for a score without a band, without a norm group, without a row of a table.
NO_BAND, NO_GROUP, NO_ROW = 255, 255, 65_535

Field = Literal["norm", "band_group", "row", "items", "low", "high"]
_FORMATS: dict[Field, struct.Struct] = {
    "norm": struct.Struct("<B"),
    "band_group": struct.Struct("<B"),
    "row": struct.Struct("<H"),
    "items": struct.Struct("<H"),
    "low": struct.Struct("<d"),
    "high": struct.Struct("<d"),
}


class Status(IntEnum):
    """Status of a scale, by its stored number."""

    SCORED = 0
    TOO_FEW_ANSWERS = 1
    MISSING_VALUE = 2
    DIVISION_BY_ZERO = 3
    NOT_IN_LOOKUP = 4
    NO_NORM = 5


STATUS_NAMES = {status.value: status.name.title().replace("_", "") for status in Status}


class Extension(msgspec.Struct, frozen=True):
    """An extension field, which only some scales have: its scale, and its position."""

    scale: int
    field: Field
    offset: int
    width: int


def extensions(plan: Plan) -> tuple[Extension, ...]:
    """Return the extension fields of a plan, in order."""
    found: list[Extension] = []
    offset = 0
    for place, scale in enumerate(plan.scales):
        for field in _fields(scale):
            found.append(Extension(place, field, offset, _FORMATS[field].size))
            offset += found[-1].width
    return tuple(found)


def extension_bytes(plan: Plan) -> int:
    """Return the number of bytes of a plan's extension."""
    return sum(_FORMATS[field].size for scale in plan.scales for field in _fields(scale))


def _fields(scale: PlannedScale) -> Iterator[Field]:
    if scale.norms.groups:
        yield "norm"
    if scale.band_groups:
        yield "band_group"
    if scale.has_table:
        yield "row"
    if scale.excludes:
        yield "items"
        yield "low"
        yield "high"


class StoredScale(msgspec.Struct):
    """One scale of a stored body; indices are into the plan's scale, None: none."""

    raw: float | None
    valid: int
    status: int
    band: int | None
    items: int
    range: tuple[float, float] | None
    norm: int | None = None
    band_group: int | None = None
    row: int | None = None


class ScaleResult(msgspec.Struct, frozen=True, rename="camel"):
    """One scale's score: null if there is none, never zero; `valid` of `items` were answered.

    Other members are present on request.
    """

    raw: float | None
    valid: int
    items: int
    status: str
    #: The lowest and highest raw score of a valid result; null: unbounded.
    range: tuple[float, float] | UnsetType | None = UNSET
    #: The norm group that the score was compared with.
    norm: str | UnsetType | None = UNSET
    z: float | UnsetType | None = UNSET
    t: float | UnsetType | None = UNSET
    sten: int | UnsetType | None = UNSET
    stanine: int | UnsetType | None = UNSET
    #: The score of the scale's table.
    score: float | UnsetType | None = UNSET
    percentile: float | UnsetType | None = UNSET
    #: The standard error and the ends of the interval, in the reported unit.
    se: float | UnsetType | None = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET
    #: The norm group whose bands were used.
    band_group: str | UnsetType | None = UNSET
    band: str | UnsetType | None = UNSET


class ProfileResult(msgspec.Struct, frozen=True):
    """The highest of several scales; `tied`: equal values leave the code or its order open."""

    status: str
    code: tuple[str, ...] | None
    tied: bool | None


class Result(msgspec.Struct, frozen=True):
    """The scores of one attempt by scale id, in the order of the document, and its profiles."""

    scales: dict[str, ScaleResult]
    profiles: dict[str, ProfileResult] = {}


def read_body(body: bytes, plan: Plan) -> list[StoredScale]:
    """Return each scale of a stored body. Raises ValueError if the body is of another plan."""
    own, extension = SCALE_BYTES * len(plan.scales), extension_bytes(plan)
    if len(body) != own + extension:
        raise ValueError(
            f"a result of {len(plan.scales)} scales has {own + extension} bytes, not {len(body)}"
        )
    stored = [
        StoredScale(
            raw if raw == raw else None,
            valid,
            status,
            None if band == NO_BAND else band,
            scale.items,
            scale.range,
        )
        for scale, (raw, valid, status, band) in zip(
            plan.scales, _SCALE.iter_unpack(body[:own]), strict=True
        )
    ]
    if extension:
        _read_extension(body[own:], plan, stored)
    return stored


def _read_extension(data: bytes, plan: Plan, stored: list[StoredScale]) -> None:
    low = math.nan
    for one in extensions(plan):
        (value,) = _FORMATS[one.field].unpack_from(data, one.offset)
        scale = stored[one.scale]
        match one.field:
            case "norm":
                scale.norm = None if value == NO_GROUP else value
            case "band_group":
                scale.band_group = None if value == NO_GROUP else value
            case "row":
                scale.row = None if value == NO_ROW else value
            case "items":
                scale.items = value
            case "low":
                low = value
            case "high" if low == low:  # not NaN: some items were excluded
                scale.range = (low, value) if low <= value else None
