"""Scores a file of responses in batches. Called by `reliability` and `norms`.

Invalid rows are reported on standard error and omitted; rows without answers are omitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stanine.cli.commands.publish import read_document
from stanine.cli.io.responses import Responses, form_of_entry
from stanine.cli.io.row_packer import RowPacker
from stanine.cli.io.sheet import Sheet
from stanine.cli.io.terminal import Bar, note, open_input, progress
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.domain.scoring.kernel import Kernel

#: Rows per batch.
_CHUNK = 1024


class Part(NamedTuple):
    """A batch of people, one per row: answer codes, raw scores (NaN: missing) and attributes."""

    codes: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float64]
    attributes: Sequence[Mapping[str, int | float | str]]


class ScoredRows:
    """Scored people of a file, read lazily. `people` and `faulty` count the rows read so far."""

    def __init__(self, entry: IndexEntry, sheet: Sheet, bar: Bar) -> None:
        self.entry = entry
        self.columns = tuple(sheet.header)
        self.people = self.faulty = self.blank = 0
        self._name, self._bar = sheet.name, bar
        form = form_of_entry(entry)
        self._rows = Responses(sheet, form)
        self._pack = None if entry.is_plain else RowPacker(entry, form, self._rows)
        if self._rows.ignored:
            note(
                f"{sheet.name}: these columns are not part of {entry.name} and are ignored: {', '.join(self._rows.ignored)}"
            )

    def __iter__(self) -> Iterator[Part]:
        """Yield the batches."""
        plan = self.entry.plan
        kernel = Kernel(plan)
        rows = iter(self._rows)
        while chunk := list(islice(rows, _CHUNK)):
            usable = []
            for read in chunk:
                row = read if self._pack is None else self._pack(read)
                if row.fault is not None:
                    self.faulty += 1
                    note(f"{self._name}:{row.fault.line}:{row.fault.column}: {row.fault.detail}")
                elif not read.has_answers:
                    self.blank += 1
                else:
                    usable.append(row)
            self._bar.advance(len(chunk))
            if not usable:
                continue
            self.people += len(usable)
            width, attributes = plan.row_bytes, [row.attributes for row in usable]
            codes: Any = np.frombuffer(
                b"".join(row.codes[:width] for row in usable), dtype=np.uint8
            ).reshape(-1, width)
            people = kernel.columns(attributes) if plan.needs_attributes else None
            yield Part(codes, kernel.score(codes, people).raw, attributes)

    def report(self) -> None:
        """Report the numbers of omitted rows."""
        for count, what in ((self.faulty, "faulty"), (self.blank, "blank")):
            if count:
                note(f"{self._name}: {count} {what} row{'s' if count != 1 else ''} left out")


@contextmanager
def open_rows(instrument: str, responses: str) -> Iterator[ScoredRows]:
    """Open a file of responses for an instrument document.

    Raises CliError if either is unreadable.
    """
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    with open_input(responses) as (stream, name), progress(f"reading {name}") as bar:
        yield ScoredRows(entry, Sheet(stream, name), bar)
