"""What can be wrong with what somebody sent or stored, as one short tree. Raised by the domain, mapped to answers by API and CLI.

`temporary` tells a caller whether the same call may succeed later. Nothing in the domain is temporary: it is the store that adds such
errors.
"""

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import msgspec

#: Faults an error keeps; the rest are counted only. Whoever made a hundred mistakes is not helped by the next.
FAULTS_KEPT = 100

#: Every code a fault of the domain may have, so that a caller can tell them apart without reading the sentence.
Code = Literal[
    # reading a text
    "Syntax", "Encoding", "TooDeep", "TooLarge", "DuplicateKey", "KeyNotText", "SeveralDocuments", "Alias", "Tag", "NumberOutOfRange",
    # the structure of a document or an attempt
    "WrongType", "MissingField", "UnknownField", "NotSupported", "WrongText", "TooLong", "TooShort", "TooMany", "TooFew", "OutOfRange",
    # the meaning of a document
    "NameMismatch", "DuplicateId", "ReservedId", "DuplicateValue", "UnknownReference", "Contradiction", "NoNumbers", "NotReversible",
    "NotAnOption", "PointsMismatch", "WrongWeight", "WrongMinValid", "BandsOverlap", "TooManyDecimals", "RangesOverlap", "RangesGap",
    "Cyclic",
    # an attempt
    "UnknownItem", "UnknownAttribute", "NotAnAnswer", "NotAValue", "NotShown", "NotDistinct",
    # a warning about a document that is accepted
    "NoEffect", "UnansweredWithoutMinValid", "DifferentRanges", "ExcludeUnderSum", "StraddledEdge", "MissingTranslation",
    "ConditionNamesKey",
]  # fmt: skip


#: Where a part of a place begins.
_PART = re.compile(r"[.\[]")


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where, of which kind, and a sentence with the remedy.

    `place` is a path in a document (`spec.scales[2].items[4]`), a position in a text (`3:5`, line and column from 1) or a JSON pointer into
    an attempt (`/answers/A1`).
    """

    place: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}" if self.place else self.detail


class Faults:
    """A collector: keeps the first FAULTS_KEPT faults and counts all. Made by a reader, passed to each check."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0
        #: Every place that a kept fault lies at or within: `spec`, `spec.items`, `spec.items[3]`, …
        self._touched: set[str] = set()

    def add(self, place: str, code: Code, detail: str) -> None:
        """Note a fault."""
        self.count += 1
        if len(self.kept) < FAULTS_KEPT:
            self.kept.append(Fault(place, code, detail))
            self._touched.update(place[: part.start()] for part in _PART.finditer(place))
            self._touched |= {"", place}

    def touches(self, place: str) -> bool:
        """Tell whether a fault is known at a place or within it, so that a check does not report what follows from it."""
        return place in self._touched

    def at(self, place: str) -> bool:
        """Tell whether a fault is known at exactly this place: what stands there is no record at all."""
        return place in self._touched and any(fault.place == place for fault in self.kept)

    def within(self, place: str) -> Iterator[Fault]:
        """Yield the faults kept that lie at a place or within it."""
        if place in self._touched:
            yield from (
                fault
                for fault in self.kept
                if fault.place == place or fault.place.startswith((f"{place}.", f"{place}["))
            )


class StanineError(Exception):
    """The root of all errors that Stanine raises on purpose."""

    #: Whether the same call may succeed later.
    temporary: ClassVar[bool] = False


class Faulty(StanineError):  # noqa: N818 - says what is wrong, as its children do
    """What was sent cannot be taken; `faults` says why (at most FAULTS_KEPT), `count` how many there are."""

    def __init__(self, faults: Iterable[Fault], count: int | None = None) -> None:
        self.faults = tuple(faults)
        self.count = len(self.faults) if count is None else count
        super().__init__(self.faults, self.count)

    def __str__(self) -> str:
        # A fault may quote what a person answered, and error texts reach logs.
        return f"{self.count} fault{'s' if self.count != 1 else ''}: {', '.join(sorted({fault.code for fault in self.faults}))}"


class InvalidDocument(Faulty):
    """Raised when a text is no instrument document, or one that could score wrongly."""


class InvalidAttempt(Faulty):
    """Raised when an attempt cannot be read or does not fit the form it answers."""


class CorruptEntry(StanineError):  # noqa: N818 - says what is wrong
    """Raised when the bytes of an index entry are not what this engine wrote; the index watcher builds it anew."""
