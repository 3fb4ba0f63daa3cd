"""Writes rows of scores as Parquet: the columns of the CSV, typed. Used by `stanine results`; needs the extra `parquet` (pyarrow)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from stanine.cli.exits import CliError
from stanine.domain.result import ScaleResult

#: Rows of a row group: what is held in memory before it is written.
ROW_GROUP = 10_000
#: Columns about an attempt that hold whole numbers; the others hold text.
_WHOLE = frozenset({"revision", "scoringRevision"})


class ParquetWriter:
    """Writes Parquet; `close` writes what makes it readable. A null is no value."""

    def __init__(self, out: IO[bytes], about: Sequence[str], scales: Iterable[tuple[str, bool]]) -> None:
        """`scales` are the ids of the scales in order, and whether each has bands. Raises CliError where pyarrow is not installed."""
        try:
            import pyarrow  # noqa: PLC0415 - an optional package, and a slow one to load
            import pyarrow.parquet  # noqa: PLC0415
        except ImportError:
            raise CliError("-o parquet needs pyarrow, which is not installed: pip install 'stanine[parquet]'") from None
        self._about, self._scales = about, list(scales)
        fields = [(name, pyarrow.int64() if name in _WHOLE else pyarrow.string()) for name in about]
        for scale, has_bands in self._scales:
            fields += [(f"{scale}.raw", pyarrow.float64()), (f"{scale}.valid", pyarrow.int32()), (f"{scale}.status", pyarrow.string())]
            fields += [(f"{scale}.band", pyarrow.string())] * has_bands
        self._pyarrow: Any = pyarrow
        self._schema = pyarrow.schema(fields)
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = pyarrow.parquet.ParquetWriter(out, self._schema)

    def write(self, about: Mapping[str, Any], scales: Mapping[str, ScaleResult] | None) -> None:
        """Write a row; a scale that it does not have is null."""
        row = {name: about.get(name) for name in self._about}
        for scale, has_bands in self._scales:
            scored = scales.get(scale) if scales else None
            if scored is not None:
                row |= {f"{scale}.raw": scored.raw, f"{scale}.valid": scored.valid, f"{scale}.status": scored.status}
                if has_bands:
                    row[f"{scale}.band"] = scored.band or None
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []
