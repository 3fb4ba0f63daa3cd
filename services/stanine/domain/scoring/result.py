"""The result of one attempt, decoded. API and CLI import from here.

The store keeps the encoded body behind its own header.
"""

from typing import Protocol

from msgspec import UNSET

from stanine.domain.scoring.plan import ENGINE_VERSION, Plan, PlannedScale
from stanine.domain.scoring.result_records import (
    SCALE_BYTES,
    ProfileResult,
    Result,
    ScaleResult,
    Status,
    read_body,
)
from stanine.domain.scoring.result_values import profile_result, scale_result

__all__ = [
    "ENGINE_VERSION", "SCALE_BYTES", "ProfileResult", "Result", "ScaleResult", "Status", "decode_result", "fields_of", "fields_of_result",
    "merged_fields", "value_of",
]  # fmt: skip

#: The scale columns of a results file in order: the column's field, and the field here.
_FIELDS = {
    "raw": "raw", "valid": "valid", "status": "status", "z": "z", "t": "t", "sten": "sten", "stanine": "stanine",
    "percentile": "percentile", "score": "score", "se": "se", "low": "low", "high": "high", "norm": "norm", "band": "band",
    "bandGroup": "band_group", "items": "items",
}  # fmt: skip
_ALWAYS = frozenset({"raw", "valid", "status"})


class HasPlan(Protocol):
    """A record with a plan: an index entry."""

    @property
    def plan(self) -> Plan:
        """The plan."""


def decode_result(body: bytes, scored_by: HasPlan | Plan) -> Result:
    """Return the result of a stored body by its plan.

    Raises ValueError if the body is of another plan.
    """
    plan = scored_by if isinstance(scored_by, Plan) else scored_by.plan
    stored = read_body(body, plan)
    scales = {
        scale.id: scale_result(scale, one, plan)
        for scale, one in zip(plan.scales, stored, strict=True)
        if not scale.internal
    }
    return Result(
        scales, {profile.id: profile_result(profile, stored, plan) for profile in plan.profiles}
    )


def fields_of(scale: PlannedScale) -> tuple[str, ...]:
    """Return the fields of a scale in a results file, in order."""
    has = set(_ALWAYS) | {one.lower() for one in scale.standard}
    for name, there in (
        ("score", scale.has_table),
        ("percentile", scale.has_table_percentile),
        ("se", scale.has_se),
        ("low", scale.has_limits),
        ("high", scale.has_limits),
        ("norm", bool(scale.norms.groups)),
        ("band", scale.has_bands),
        ("bandGroup", bool(scale.band_groups)),
        ("items", scale.excludes),
    ):
        if there:
            has.add(name)
    return tuple(name for name in _FIELDS if name in has)


def fields_of_result(scale: ScaleResult) -> tuple[str, ...]:
    """Return the same for a scale of which only a result is known."""
    return tuple(
        name
        for name, own in _FIELDS.items()
        if name in _ALWAYS or (name != "items" and getattr(scale, own) is not UNSET)
    )


def merged_fields(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields that are in either, in the order of columns."""
    return (
        some
        if some == others
        else tuple(name for name in _FIELDS if name in some or name in others)
    )


def value_of(scale: ScaleResult, field: str) -> float | str | None:
    """Return a field of a scale by its name in a file; None if it has no value."""
    value = getattr(scale, _FIELDS[field])
    return None if value is UNSET else value
