"""Errors of the domain, one short tree. Raised by the domain, mapped to responses by API and CLI.

`temporary` states whether the same call may succeed later. No error of the domain is temporary; the store adds such
errors.
"""

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import msgspec

#: Maximum of faults that an error keeps; the rest are only counted. Longer lists do not help an author.
FAULTS_KEPT = 100

#: Every code of a fault, so that callers need not parse the message.
Code = Literal[
    # reading a text
    "Syntax", "Encoding", "TooDeep", "TooLarge", "DuplicateKey", "KeyNotText", "SeveralDocuments", "Alias", "Tag", "NumberOutOfRange",
    # the structure of a document or an attempt
    "WrongType", "MissingField", "UnknownField", "WrongText", "TooLong", "TooShort", "TooMany", "TooFew", "OutOfRange",
    # the meaning of a document
    "NameMismatch", "DuplicateId", "ReservedId", "DuplicateValue", "UnknownReference", "Contradiction", "NoNumbers", "NotReversible",
    "NotAnOption", "PointsMismatch", "WrongWeight", "WrongMinValid", "BandsOverlap", "TooManyDecimals", "RangesOverlap", "RangesGap",
    "Cyclic",
    # an attempt
    "UnknownItem", "UnknownAttribute", "NotAnAnswer", "NotAValue", "NotShown", "NotDistinct", "SectionOver",
    # a warning about a document that is accepted
    "NoEffect", "UnansweredWithoutMinValid", "DifferentRanges", "ExcludeUnderSum", "StraddledEdge", "MissingTranslation",
    "ConditionNamesKey",
]  # fmt: skip


#: Start of each part of a place.
_PART = re.compile(r"[.\[]")


class Fault(msgspec.Struct, frozen=True):
    """One error in an input: place, code, and a message with the remedy.

    `place` is a path in a document (`spec.scales[2].items[4]`), a position in a text (`3:5`, line and column from 1) or
    a JSON pointer into an attempt (`/answers/A1`).
    """

    place: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}" if self.place else self.detail


class Faults:
    """Collector of faults: keeps the first FAULTS_KEPT and counts the rest.

    A reader creates it and passes it to each check. The places of the rest are not known, so once one was not kept,
    every place counts as faulty and the checks skip it.
    """

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0
        #: Every place of a kept fault, and its parents: `spec`, `spec.items`, `spec.items[3]`, …
        self._touched: set[str] = set()

    def add(self, place: str, code: Code, detail: str) -> None:
        """Add a fault."""
        self.count += 1
        if len(self.kept) < FAULTS_KEPT:
            self.kept.append(Fault(place, code, detail))
            self._touched.update(place[: part.start()] for part in _PART.finditer(place))
            self._touched |= {"", place}

    @property
    def overflowed(self) -> bool:
        """Whether there are more faults than kept, so that a fault may be at any place."""
        return self.count > len(self.kept)

    def touches(self, place: str) -> bool:
        """Return whether a fault is, or may be, at or within a place; checks then skip it."""
        return self.overflowed or place in self._touched

    def at(self, place: str) -> bool:
        """Return whether a fault is, or may be, at exactly this place: its value is not a record."""
        return self.overflowed or (
            place in self._touched and any(fault.place == place for fault in self.kept)
        )

    def within(self, place: str) -> Iterator[Fault]:
        """Yield the kept faults at or within a place."""
        if place in self._touched:
            yield from (
                fault
                for fault in self.kept
                if fault.place == place or fault.place.startswith((f"{place}.", f"{place}["))
            )


class StanineError(Exception):
    """Root of all errors that Stanine raises on purpose."""

    #: Whether the same call may succeed later.
    temporary: ClassVar[bool] = False


class Faulty(StanineError):  # noqa: N818 - says what is wrong, as its children do
    """An invalid input; `faults` has the reasons (at most FAULTS_KEPT), `count` their number."""

    def __init__(self, faults: Iterable[Fault], count: int | None = None) -> None:
        self.faults = tuple(faults)
        self.count = len(self.faults) if count is None else count
        super().__init__(self.faults, self.count)

    def __str__(self) -> str:
        # A fault may quote an answer, and error texts are logged.
        return f"{self.count} fault{'s' if self.count != 1 else ''}: {', '.join(sorted({fault.code for fault in self.faults}))}"


class InvalidDocument(Faulty):
    """Raised if a text is not an instrument document, or could produce wrong scores."""


class InvalidAttempt(Faulty):
    """Raised if an attempt cannot be read or does not fit its form."""


class CorruptEntry(StanineError):  # noqa: N818 - says what is wrong
    """Raised if the bytes of an index entry are not from this engine; the indexWatcher rebuilds it."""
