"""Writes rows of scores as CSV or NDJSON. Used by `score` and `results`."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Protocol

import msgspec

from stanine.cli.io.cell_guard import guard
from stanine.cli.io.terminal import shortest
from stanine.domain.scoring.result import ProfileResult, ScaleResult, value_of

#: Columns of a profile, in order.
PROFILE_FIELDS = ("code", "tied", "status")


class RowWriter(Protocol):
    """Writes rows of scores."""

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row: its identifying columns, its scales (None: no scores) and its profiles."""


class CsvWriter:
    """Writes CSV with a header. Missing values are empty; numbers are shortest round-trip decimals.

    Texts are escaped against formula injection.
    """

    def __init__(
        self,
        out: IO[str],
        about: Sequence[str],
        scales: Iterable[tuple[str, Sequence[str]]],
        profiles: Sequence[str] = (),
    ) -> None:
        """`scales`: scale ids in order, each with its fields; `profiles`: profile ids."""
        self._about, self._scales, self._profiles = about, list(scales), profiles
        self._writer = csv.writer(out, lineterminator="\n")
        #: Before Python 3.13 `csv` does not quote a carriage return, which many readers treat as a line end.
        self._quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        columns = [f"{scale}.{field}" for scale, fields in self._scales for field in fields]
        columns += [f"{profile}.{field}" for profile in profiles for field in PROFILE_FIELDS]
        self._writer.writerow([*about, *columns])

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row; missing scales and profiles are empty."""
        cells: list[Any] = [
            _cell(about.get(name)) for name in self._about
        ]  # csv writes None as an empty cell
        for scale, fields in self._scales:
            scored = scales.get(scale) if scales else None
            if scored is None:
                cells += [None] * len(fields)
            else:
                cells += [_number_or_text(value_of(scored, field)) for field in fields]
        for name in self._profiles:
            profile = profiles.get(name)
            cells += [None] * len(PROFILE_FIELDS) if profile is None else _profile_cells(profile)
        carries = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoting if carries else self._writer).writerow(cells)

    def close(self) -> None:
        """Do nothing: a CSV has no footer."""


class NdjsonWriter:
    """Writes one JSON object per line; `scales` is null without scores."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row."""
        row = {name: _plain(value) for name, value in about.items()} | {"scales": scales}
        if profiles:
            row["profiles"] = profiles
        self._out.write(msgspec.json.encode(row).decode() + "\n")


def _number_or_text(value: float | str | None) -> Any:
    if isinstance(value, float):
        return shortest(value)
    return guard(value) if isinstance(value, str) else value


def _profile_cells(profile: ProfileResult) -> list[Any]:
    """Return the cells of a profile in the order of PROFILE_FIELDS."""
    tied = None if profile.tied is None else "true" if profile.tied else "false"
    return [None if profile.code is None else " ".join(profile.code), tied, profile.status]


def _cell(value: Any) -> Any:
    return guard(_plain(value)) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """Replace characters that were not valid UTF-8 in the input."""
    return (
        value.encode("utf-8", "replace").decode()
        if isinstance(value, str) and not value.isascii()
        else value
    )
