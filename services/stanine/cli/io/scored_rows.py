"""Scores a file of responses in batches. Called by `reliability` and `norms`.

Invalid rows are reported on standard error and omitted; rows without answers are omitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol

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
CHUNK = 1024


class Part(NamedTuple):
    """A batch of people, one per row: answer codes, raw scores (NaN: missing) and attributes."""

    codes: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float64]
    attributes: Sequence[Mapping[str, int | float | str]]


class ScoredPeople(Protocol):
    """Scored people of a file or of stored attempts, read lazily."""

    #: The form and scoring, where the people come from, and how many were read and were faulty so far.
    entry: IndexEntry
    name: str
    people: int
    faulty: int

    def __iter__(self) -> Iterator[Part]:
        """Yield the batches."""

    def has_column(self, attribute: str) -> bool:
        """Return whether an attribute can be known."""

    def report(self) -> None:
        """Report who was omitted."""


def score_part(
    kernel: Kernel,
    codes: Sequence[bytes],
    attributes: Sequence[Mapping[str, int | float | str]],
) -> Part:
    """Score the packed answers of some people."""
    width = kernel.plan.row_bytes
    rows: Any = np.frombuffer(
        b"".join([packed[:width] for packed in codes]), dtype=np.uint8
    ).reshape(-1, width)
    people = kernel.columns(attributes) if kernel.plan.needs_attributes else None
    return Part(rows, kernel.score(rows, people).raw, attributes)


class ScoredRows:
    """Scored people of a file, read lazily. `people` and `faulty` count the rows read so far."""

    def __init__(self, entry: IndexEntry, file: ResponseFile, bar: Bar) -> None:
        self.entry = entry
        self.people = self.faulty = self.blank = 0
        self.name, self._bar = file.name, bar
        form = form_of_entry(entry)
        self._rows = file.responses(form)
        self._pack = None if entry.is_plain else RowPacker(entry, form, self._rows)
        if self._rows.ignored:
            note(
                f"{file.name}: these columns are not part of {entry.name} and are ignored: {', '.join(self._rows.ignored)}"
            )

    def __iter__(self) -> Iterator[Part]:
        """Yield the batches."""
        kernel = Kernel(self.entry.plan)
        rows = iter(self._rows)
        while chunk := list(islice(rows, CHUNK)):
            usable = []
            for read in chunk:
                row = read if self._pack is None else self._pack(read)
                if row.fault is not None:
                    self.faulty += 1
                    note(f"{self.name}:{row.fault.line}:{row.fault.column}: {row.fault.detail}")
                elif not read.has_answers:
                    self.blank += 1
                else:
                    usable.append(row)
            self._bar.advance(len(chunk))
            if not usable:
                continue
            self.people += len(usable)
            yield score_part(
                kernel, [row.codes for row in usable], [row.attributes for row in usable]
            )

    def has_column(self, attribute: str) -> bool:
        """Return whether the file has a column for an attribute."""
        return self._rows.column_of(attribute) > 0

    def report(self) -> None:
        """Report the numbers of omitted rows."""
        for count, what in ((self.faulty, "faulty"), (self.blank, "blank")):
            if count:
                note(f"{self.name}: {count} {what} row{'s' if count != 1 else ''} left out")


@contextmanager
def open_rows(instrument: str, responses: str, options: FileOptions) -> Iterator[ScoredRows]:
    """Open a file of responses for an instrument document.

    Raises CliError if either is unreadable.
    """
    document = read_document(instrument)
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    with open_responses(responses, options) as file, progress(f"reading {file.name}") as bar:
        yield ScoredRows(entry, file, bar)
