"""Scores stored attempts in batches, read from the API. Called by `reliability` and `norms`.

Attempts at the newest form are scored by the newest document, as rows of a file are; those at other forms and those
without answers are omitted and counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import msgspec

from stanine.cli.connection import connect
from stanine.cli.io.scored_rows import CHUNK, Part, score_part
from stanine.cli.io.terminal import Bar, note, progress
from stanine.client import Stanine
from stanine.client.records import ListedAttemptInfo
from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.domain.scoring.kernel import Kernel


class StoredRows:
    """Scored people of an instrument's attempts, read lazily. The counts are of those read so far."""

    def __init__(self, entry: IndexEntry, client: Stanine, bar: Bar) -> None:
        self.entry = entry
        self.name = f"attempts at {entry.name}"
        self.people = self.faulty = self.blank = self.other_forms = 0
        self._client, self._bar = client, bar
        self._packer = Packer(entry)

    def __iter__(self) -> Iterator[Part]:
        """Yield the batches."""
        kernel = Kernel(self.entry.plan)
        listed = iter(self._client.attempts.list(self.entry.name))
        while chunk := list(islice(listed, CHUNK)):
            usable = [
                (packed, each.attributes or {})
                for each in chunk
                if (packed := self._pack(each)) is not None
            ]
            self._bar.advance(len(chunk))
            if usable:
                self.people += len(usable)
                codes, attributes = zip(*usable, strict=True)
                yield score_part(kernel, codes, attributes)

    def has_column(self, attribute: str) -> bool:
        """Return whether attempts can have an attribute."""
        return any(each.id == attribute for each in self.entry.attributes)

    def report(self) -> None:
        """Report the numbers of omitted attempts."""
        for count, what in (
            (self.other_forms, "of another form"),
            (self.blank, "without answers"),
            (self.faulty, "that the document refuses"),
        ):
            if count:
                note(f"{self.name}: {count} {what} left out")

    def _pack(self, each: ListedAttemptInfo) -> bytes | None:
        """Return an attempt's packed answers; None if it is omitted."""
        if each.form != self.entry.form:
            self.other_forms += 1
            return None
        answers = {item: value for item, value in (each.answers or {}).items() if value is not None}
        if not answers:
            self.blank += 1
            return None
        try:
            return self._packer.pack(Attempt(answers, attributes=each.attributes or {}))
        except InvalidAttempt as error:
            self.faulty += 1
            note(f"attempt {each.attempt}: {error.faults[0].detail}")
            return None


@contextmanager
def open_stored(name: str, server: str, key: str) -> Iterator[StoredRows]:
    """Open the stored attempts of an instrument. Raises CliError."""
    with connect(server, key) as client:
        text = client.instruments.get(name)
        entry = build_entry(
            parse_instrument(msgspec.to_builtins(text.document), name=name),
            number=0,
            revision=text.revision,
            form=text.form,
            digest="",
        )
        with progress(f"reading attempts at {name}") as bar:
            yield StoredRows(entry, client, bar)
