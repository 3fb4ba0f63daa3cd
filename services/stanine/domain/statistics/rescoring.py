"""How results change when attempts are scored again, as a summary of any number of attempts; summaries are merged.

Called by the resultWatcher for each step of a re-scoring, and by the API, which shows the merged summary. A summary has
numbers of attempts only, no answers and no ids. Its size depends on the scales, not on the attempts, and merging is
exact: sums of changes are integers in units of the smallest float64, so the order of merging changes nothing.
"""

import sys
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import UNSET

from stanine.domain.scoring.result import Result, ScaleResult

#: The values of a scale whose changes are measured, by their names in a result.
VALUES = ("raw", "z", "t", "sten", "stanine", "percentile", "score")
#: Unit of sums: every finite float64 is a whole multiple of 2^-1074.
_UNITS = 2**1074


class ValueSums(msgspec.Struct, frozen=True, array_like=True):
    """Absolute changes of one value of a scale: number, sum (in units of 2^-1074, big-endian), largest."""

    changed: int = 0
    total: bytes = b""
    largest: float = 0.0


class ScaleSums(msgspec.Struct, frozen=True, array_like=True):
    """Changes of one scale: attempts with any change, and what changed."""

    changed: int = 0
    became_null: int = 0
    ceased_null: int = 0
    bands_changed: int = 0
    values: Mapping[str, ValueSums] = {}


class ResultChanges(msgspec.Struct, frozen=True, array_like=True):
    """Summary of attempts that were scored again."""

    #: Attempts with a result that were compared.
    attempts: int = 0
    #: Attempts whose result is another one.
    changed: int = 0
    #: Changed ones that had failed, and those whose earlier result cannot be read any more, so that its change is
    #: not measured.
    had_failed: int = 0
    not_measured: int = 0
    #: Unchanged ones because they still cannot be scored, because only the earlier scoring can score them, and because
    #: a newer scoring or engine made their result.
    still_failed: int = 0
    kept: int = 0
    newer: int = 0
    scales: Mapping[str, ScaleSums] = {}
    #: By profile, the attempts whose code changed.
    profiles: Mapping[str, int] = {}


class ValueChange(msgspec.Struct, frozen=True):
    """Changes of one value of a scale in attempts that have it before and after.

    `mean`, `largest`: of the absolute changes of those `changed`.
    """

    changed: int
    mean: float
    largest: float


class ScaleChange(msgspec.Struct, frozen=True, rename="camel"):
    """Changes of one scale. `changed`: attempts with any change of it, also of its status or range."""

    changed: int
    became_null: int
    ceased_null: int
    bands_changed: int
    values: dict[str, ValueChange]


class RescoringReport(msgspec.Struct, frozen=True, rename="camel"):
    """What a re-scoring changes: numbers of attempts, and the changes of each scale."""

    attempts: int
    changed: int
    unchanged: int
    #: Changed attempts that had failed.
    had_failed: int
    #: Changed attempts whose earlier result cannot be read any more.
    not_measured: int
    #: Unchanged: attempts that still cannot be scored; that only the earlier scoring can score; with a newer result.
    still_failed: int
    kept: int
    newer: int
    scales: dict[str, ScaleChange]
    profiles: dict[str, int]


def changes_of(pairs: Iterable[tuple[Result, Result]]) -> ResultChanges:
    """Return the summary of changed results, each before and after. A failed attempt had a result without scales."""
    count, scales, profiles = 0, dict[str, _ScaleCounts](), dict[str, int]()
    for before, after in pairs:
        count += 1
        for scale in {**before.scales, **after.scales}:
            old, new = before.scales.get(scale), after.scales.get(scale)
            if old != new:
                scales.setdefault(scale, _ScaleCounts()).add(old, new)
        for profile in {**before.profiles, **after.profiles}:
            if before.profiles.get(profile) != after.profiles.get(profile):
                profiles[profile] = profiles.get(profile, 0) + 1
    return ResultChanges(
        attempts=count,
        changed=count,
        scales={scale: counts.sums() for scale, counts in scales.items()},
        profiles=profiles,
    )


def merge_changes(one: ResultChanges, other: ResultChanges) -> ResultChanges:
    """Return the summary of the attempts of two summaries. Commutative and associative."""
    return ResultChanges(
        one.attempts + other.attempts,
        one.changed + other.changed,
        one.had_failed + other.had_failed,
        one.not_measured + other.not_measured,
        one.still_failed + other.still_failed,
        one.kept + other.kept,
        one.newer + other.newer,
        {
            scale: _merge_scales(one.scales.get(scale), other.scales.get(scale))
            for scale in {**one.scales, **other.scales}
        },
        {
            profile: one.profiles.get(profile, 0) + other.profiles.get(profile, 0)
            for profile in {**one.profiles, **other.profiles}
        },
    )


def report_of(changes: ResultChanges) -> RescoringReport:
    """Return the report of a summary, scales and profiles in order of their ids."""
    return RescoringReport(
        changes.attempts,
        changes.changed,
        changes.attempts - changes.changed,
        changes.had_failed,
        changes.not_measured,
        changes.still_failed,
        changes.kept,
        changes.newer,
        {
            scale: ScaleChange(
                sums.changed,
                sums.became_null,
                sums.ceased_null,
                sums.bands_changed,
                {
                    name: ValueChange(
                        one.changed,
                        int.from_bytes(one.total, "big") / (_UNITS * one.changed),
                        one.largest,
                    )
                    for name in VALUES
                    if (one := sums.values.get(name)) is not None
                },
            )
            for scale, sums in sorted(changes.scales.items())
        },
        dict(sorted(changes.profiles.items())),
    )


def encode_changes(changes: ResultChanges) -> bytes:
    """Return a summary as stored with its run."""
    return _ENCODER.encode(changes)


def decode_changes(data: bytes) -> ResultChanges:
    """Return a stored summary; empty: that of no attempts. Raises msgspec's errors if it is damaged."""
    return _DECODER.decode(data) if data else ResultChanges()


class _ScaleCounts:
    """Counts the changes of one scale."""

    def __init__(self) -> None:
        self._changed = self._became_null = self._ceased_null = self._bands = 0
        self._values: dict[str, list[float]] = {}

    def add(self, old: ScaleResult | None, new: ScaleResult | None) -> None:
        """Count an attempt; None: its result does not have the scale."""
        self._changed += 1
        had, has = _value(old, "raw") is not None, _value(new, "raw") is not None
        self._became_null += had and not has
        self._ceased_null += has and not had
        self._bands += _value(old, "band") != _value(new, "band")
        for name in VALUES:
            before, after = _value(old, name), _value(new, name)
            if before is not None and after is not None and before != after:
                change = min(abs(float(after) - float(before)), sys.float_info.max)
                self._values.setdefault(name, []).append(change)

    def sums(self) -> ScaleSums:
        return ScaleSums(
            self._changed,
            self._became_null,
            self._ceased_null,
            self._bands,
            {
                name: ValueSums(len(each), _whole(sum(map(_in_units, each))), max(each))
                for name, each in self._values.items()
            },
        )


def _value(scale: ScaleResult | None, name: str) -> float | str | None:
    value = None if scale is None else getattr(scale, name)
    return None if value is UNSET else value


def _in_units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator * (_UNITS // denominator)


def _whole(number: int) -> bytes:
    return number.to_bytes(-(-number.bit_length() // 8), "big")


def _merge_scales(one: ScaleSums | None, other: ScaleSums | None) -> ScaleSums:
    if one is None or other is None:
        return one or other or ScaleSums()
    return ScaleSums(
        one.changed + other.changed,
        one.became_null + other.became_null,
        one.ceased_null + other.ceased_null,
        one.bands_changed + other.bands_changed,
        {
            name: _merge_values(
                one.values.get(name, ValueSums()), other.values.get(name, ValueSums())
            )
            for name in {**one.values, **other.values}
        },
    )


def _merge_values(one: ValueSums, other: ValueSums) -> ValueSums:
    total = int.from_bytes(one.total, "big") + int.from_bytes(other.total, "big")
    return ValueSums(one.changed + other.changed, _whole(total), max(one.largest, other.largest))


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(ResultChanges)
