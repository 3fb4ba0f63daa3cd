"""Columns of scales and profiles in a table of results. Used by the exports of API and CLI."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stanine.domain.scoring.index import IndexEntry
from stanine.domain.scoring.result import (
    ProfileResult,
    ScaleResult,
    fields_of,
    merged_fields,
    value_of,
)

#: Columns of a profile, in order.
PROFILE_FIELDS = ("code", "tied", "status")

Value = float | str | bool | None


class ScoreColumns:
    """The columns `SCALE.field` of scales and `PROFILE.field` of profiles, in order."""

    def __init__(
        self, scales: Iterable[tuple[str, Sequence[str]]], profiles: Sequence[str] = ()
    ) -> None:
        """`scales`: scale ids in order, each with its fields; `profiles`: profile ids."""
        self._scales, self._profiles = list(scales), profiles
        #: Scale or profile of each column, and its field.
        self.parts = [(scale, field) for scale, fields in self._scales for field in fields]
        self.parts += [(profile, field) for profile in profiles for field in PROFILE_FIELDS]
        self.names = [f"{part}.{field}" for part, field in self.parts]

    def values(
        self,
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] | None = None,
    ) -> Iterator[Value]:
        """Yield the values of a row; None for missing scales and profiles."""
        for scale, fields in self._scales:
            scored = scales.get(scale) if scales else None
            for field in fields:
                yield None if scored is None else value_of(scored, field)
        for name in self._profiles:
            profile = profiles.get(name) if profiles else None
            if profile is None:
                yield from (None,) * len(PROFILE_FIELDS)
            else:
                yield None if profile.code is None else " ".join(profile.code)
                yield profile.tied
                yield profile.status


def score_columns_of(entries: Iterable[IndexEntry]) -> ScoreColumns:
    """Return the columns of all scales and profiles of an instrument's forms that are in results."""
    fields: dict[str, tuple[str, ...]] = {}
    profiles: dict[str, None] = {}
    for entry in entries:
        for scale in entry.plan.scales:
            if not scale.internal:
                fields[scale.id] = merged_fields(fields.get(scale.id, ()), fields_of(scale))
        profiles |= dict.fromkeys(profile.id for profile in entry.plan.profiles)
    return ScoreColumns(fields.items(), tuple(profiles))
