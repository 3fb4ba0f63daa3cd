"""Published instruments and what can be read of their scales."""

from typing import Any

import msgspec

from stanine.client.records.base import ClientRecord


class InstrumentInfo(ClientRecord, frozen=True):
    """An instrument in a list: its newest revision."""

    name: str
    revision: int
    #: The first revision of the newest form.
    form: int
    digest: str
    #: Absent until a revision is indexed.
    title: str | None = None


class InstrumentText(ClientRecord, frozen=True):
    """An instrument's document, as published."""

    document: dict[str, Any]
    revision: int
    form: int
    #: Identifies this document, for `publish(if_match=…)`.
    etag: str


class DocumentWarning(ClientRecord, frozen=True):
    """A warning about an accepted document: a place in the document, a code, and a sentence."""

    pointer: str
    code: str
    detail: str


class Publication(ClientRecord, frozen=True):
    """Result of a publish."""

    name: str
    revision: int
    form: int
    digest: str
    #: Whether this call created the revision; false for an unchanged document, also after a lost answer.
    changed: bool
    #: Whether attempts are scored by the revision.
    indexed: bool
    #: Warnings for its author: the first 100, and the number of all.
    warnings: list[DocumentWarning] = msgspec.field(default_factory=list)
    warning_count: int = 0


class BandInfo(ClientRecord, frozen=True):
    """A band: it begins at `from_`, or just above `above`; the lowest has neither."""

    id: str
    label: str | None = None
    text: str | None = None
    from_: float | None = msgspec.field(name="from", default=None)
    above: float | None = None


class IntervalInfo(ClientRecord, frozen=True):
    """The confidence interval of a scale's scores."""

    #: Observed: around the score; TrueScore: around the estimated true score.
    kind: str
    #: The confidence level, such as 0.95.
    level: float


class ScaleInfo(ClientRecord, frozen=True):
    """What a scale's scores can be, and what they are called."""

    id: str
    #: The score that the bands are of.
    report: str
    #: The lowest and the highest raw score that answers can reach; null if it cannot be said.
    range: tuple[float, float] | None
    title: str | None = None
    codes: list[dict[str, str]] | None = None
    standard: list[str] | None = None
    #: The norm groups, in the order in which they are tried.
    norms: list[str] | None = None
    #: What `low` and `high` of a result are; None if there are none, or if a table states them.
    interval: IntervalInfo | None = None
    bands: list[BandInfo] | None = None
    #: Instead of `bands`, by group.
    bands_by_group: dict[str, list[BandInfo]] | None = None


class ProfileTextInfo(ClientRecord, frozen=True):
    """What a code of a profile is called."""

    label: str | None = None
    text: str | None = None


class ProfileInfo(ClientRecord, frozen=True):
    """The `top` highest of several scales."""

    id: str
    of: list[str]
    top: int
    ties: str
    title: str | None = None
    texts: dict[str, ProfileTextInfo] | None = None


class ScalesInfo(ClientRecord, frozen=True):
    """What may be read of the scales of a revision: no keys, points or formulas."""

    name: str
    revision: int
    form: int
    title: str
    scales: list[ScaleInfo]
    profiles: list[ProfileInfo]
    language: str | None = None
    languages: list[str] | None = None
