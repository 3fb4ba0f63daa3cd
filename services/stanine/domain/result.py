"""What scoring says of one attempt: the bytes that are stored, and the records they mean.

Written by `kernel`, kept by the store behind a header of its own, read by the API and the CLI.
"""

import struct
from enum import IntEnum

import msgspec

from stanine.domain.index import IndexEntry
from stanine.domain.scoring import ENGINE_VERSION, Plan

__all__ = ["ENGINE_VERSION", "SCALE_BYTES", "Result", "ScaleResult", "Status", "decode_result"]

#: One scale of a stored result: raw (float64, NaN for none), valid, status, band; little-endian.
_SCALE = struct.Struct("<dHBB")
SCALE_BYTES = _SCALE.size
#: What is stored where a score lies in no band, or its scale has none.
NO_BAND = 255


class Status(IntEnum):
    """How a scale ended, by the number that is stored. The later ones are for norms, lookups and formulas."""

    SCORED = 0
    TOO_FEW_ANSWERS = 1
    MISSING_VALUE = 2
    DIVISION_BY_ZERO = 3
    NOT_IN_LOOKUP = 4
    NO_NORM = 5


_STATUS_NAMES = {status.value: status.name.title().replace("_", "") for status in Status}


class ScaleResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One scale's score: null where there is none, never zero; `valid` of `items` were answered. `band` is there if the scale has bands."""

    raw: float | None
    valid: int
    items: int
    status: str
    band: str | msgspec.UnsetType | None = msgspec.UNSET


class Result(msgspec.Struct, frozen=True):
    """The scores of one attempt by scale id, in the order of the document."""

    scales: dict[str, ScaleResult]


def decode_result(body: bytes, scored_by: IndexEntry | Plan) -> Result:
    """Return what a stored body means under the plan that made it. Raises ValueError if it cannot be of that plan."""
    plan = scored_by.plan if isinstance(scored_by, IndexEntry) else scored_by
    if len(body) != SCALE_BYTES * len(plan.scales):
        raise ValueError(f"a result of {len(plan.scales)} scales has {SCALE_BYTES * len(plan.scales)} bytes, not {len(body)}")
    scales = {}
    for scale, (raw, valid, status, band) in zip(plan.scales, _SCALE.iter_unpack(body), strict=True):
        band_id: str | msgspec.UnsetType | None = msgspec.UNSET
        if scale.bands:
            band_id = None if band == NO_BAND else scale.bands[band].id
        scales[scale.id] = ScaleResult(raw if raw == raw else None, valid, len(scale.terms), _STATUS_NAMES[status], band_id)
    return Result(scales)
