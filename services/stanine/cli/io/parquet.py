"""Writes rows of scores as Parquet with the columns of the CSV. Used by `stanine results`.

Needs the extra `parquet` (pyarrow).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from stanine.cli.exits import CliError
from stanine.domain.scoring.result import ProfileResult, ScaleResult, value_of

#: Rows per row group, which is buffered in memory.
ROW_GROUP = 10_000
#: Integer columns of an attempt; its other columns are texts.
_WHOLE = frozenset({"revision", "scoringRevision"})


class ParquetWriter:
    """Writes Parquet; `close` completes the file. A missing value is null."""

    def __init__(
        self,
        out: IO[bytes],
        about: Sequence[str],
        scales: Iterable[tuple[str, Sequence[str]]],
        profiles: Sequence[str] = (),
    ) -> None:
        """`scales`: scale ids in order, each with its fields; `profiles`: profile ids.

        Raises CliError if pyarrow is not installed.
        """
        try:
            import pyarrow  # noqa: PLC0415 - an optional package, and a slow one to load
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise CliError(
                "-o parquet needs pyarrow, which is not installed: pip install 'stanine[parquet]'"
            ) from None
        self._about, self._scales, self._profiles = about, list(scales), profiles
        fields = [(name, pyarrow.int64() if name in _WHOLE else pyarrow.string()) for name in about]
        kinds = {
            "valid": pyarrow.int32(),
            "items": pyarrow.int32(),
            "sten": pyarrow.int32(),
            "stanine": pyarrow.int32(),
        }
        kinds |= dict.fromkeys(("status", "norm", "band", "bandGroup"), pyarrow.string())
        for scale, its in self._scales:
            fields += [(f"{scale}.{field}", kinds.get(field, pyarrow.float64())) for field in its]
        for profile in profiles:
            fields += [
                (f"{profile}.code", pyarrow.string()),
                (f"{profile}.tied", pyarrow.bool_()),
                (f"{profile}.status", pyarrow.string()),
            ]
        self._pyarrow: Any = pyarrow
        self._schema = pyarrow.schema(fields)
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = pyarrow.parquet.ParquetWriter(out, self._schema)

    def write(
        self,
        about: Mapping[str, Any],
        scales: Mapping[str, ScaleResult] | None,
        profiles: Mapping[str, ProfileResult] = {},
    ) -> None:
        """Write a row; missing scales and profiles are null."""
        row = {name: about.get(name) for name in self._about}
        for scale, fields in self._scales:
            scored = scales.get(scale) if scales else None
            if scored is not None:
                row |= {f"{scale}.{field}": value_of(scored, field) for field in fields}
        for name in self._profiles:
            if (profile := profiles.get(name)) is not None:
                code = None if profile.code is None else " ".join(profile.code)
                row |= {
                    f"{name}.code": code,
                    f"{name}.tied": profile.tied,
                    f"{name}.status": profile.status,
                }
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(
                self._pyarrow.Table.from_pylist(self._rows, schema=self._schema)
            )
            self._rows = []
