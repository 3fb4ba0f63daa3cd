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
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import form_of_entry
from stanine.cli.io.response_file import ResponseFile, open_responses
from stanine.cli.io.row_packer import RowPacker
from stanine.cli.io.terminal import Bar, note, progress
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

    def __init__(self, entry: IndexEntry, file: ResponseFile, bar: Bar) -> None:
        self.entry = entry
        self.people = self.faulty = self.blank = 0
        self._name, self._bar = file.name, bar
        form = form_of_entry(entry)
        self._rows = file.responses(form)
        self._pack = None if entry.is_plain else RowPacker(entry, form, self._rows)
        if self._rows.ignored:
            note(
                f"{file.name}: these columns are not part of {entry.name} and are ignored: {', '.join(self._rows.ignored)}"
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

    def has_column(self, attribute: str) -> bool:
        """Return whether the file has a column for an attribute."""
        return self._rows.column_of(attribute) > 0

    def report(self) -> None:
        """Report the numbers of omitted rows."""
        for count, what in ((self.faulty, "faulty"), (self.blank, "blank")):
            if count:
                note(f"{self._name}: {count} {what} row{'s' if count != 1 else ''} left out")


@contextmanager
def open_rows(instrument: str, responses: str, options: FileOptions) -> Iterator[ScoredRows]:
    """Open a file of responses for an instrument document.

    Raises CliError if either is unreadable.
    """
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    with open_responses(responses, options) as file, progress(f"reading {file.name}") as bar:
        yield ScoredRows(entry, file, bar)
