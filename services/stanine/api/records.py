"""The bodies of answers, as records: what OpenAPI describes and what the encoders write. Used by the routes."""

from typing import Any, Literal

import msgspec

State = Literal["Submitted", "Scored", "Failed"]


class _Body(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What all bodies share: camelCase names; what has no value is left out."""


class InstrumentItem(_Body, frozen=True):
    """An instrument in a list: its newest revision."""

    name: str
    revision: int
    #: The first revision of the newest form, that is, of what people answer.
    form: int
    #: SHA-256 of the canonical document: the ETag without its quotes.
    digest: str
    #: Of the newest indexed revision; absent until it is indexed.
    title: str | None = None


class InstrumentPage(_Body, frozen=True, omit_defaults=False):
    """A page of instruments by name; `next` is null at the end."""

    items: list[InstrumentItem]
    next: str | None


class PublishedInstrument(_Body, frozen=True):
    """What a PUT came to."""

    name: str
    revision: int
    form: int
    digest: str
    #: Whether this PUT made the revision; false for the same document again.
    changed: bool
    #: Whether attempts are already scored by it.
    indexed: bool


class Receipt(_Body, frozen=True):
    """A submission that was accepted: the attempt's id, and the token that reads its result and nothing else."""

    attempt: str
    token: str
    state: State


class Pending(_Body, frozen=True):
    """An attempt that is not scored yet."""

    attempt: str
    state: State


class StoredAnswers(_Body, frozen=True):
    """An attempt as it was answered."""

    attempt: str
    instrument: str
    revision: int
    state: State
    #: When it arrived, by the database's clock.
    submitted_at: str
    #: Every item of the form; null: not answered.
    answers: dict[str, int | float | str | list[str] | None]
    key: str | None = None
    participant: str | None = None
    attributes: dict[str, int | float | str] | None = None


class ResultBody(_Body, frozen=True):
    """The result of one attempt: scored (`scales`) or failed (`reason`)."""

    attempt: str
    instrument: str
    revision: int
    state: State
    submitted_at: str
    key: str | None = None
    participant: str | None = None
    #: The revision whose scoring gave the scales.
    scoring_revision: int | None = None
    #: The version of the arithmetic.
    engine: int | None = None
    scales: dict[str, Any] | None = None
    reason: str | None = None
    #: Only in the answer to the submission itself.
    token: str | None = None


class ResultPage(_Body, frozen=True, omit_defaults=False):
    """Results in the order of their commits; `next` is the cursor to continue from, also when there is nothing new yet."""

    items: list[ResultBody]
    next: int


class LineAnswer(_Body, frozen=True):
    """The answer to one line of a bulk submission: a token, or a problem."""

    #: From 1; blank lines count but are not answered.
    line: int
    #: As for a single submission: 202, 409, 413, 422 or 503.
    status: int
    key: str | None = None
    attempt: str | None = None
    token: str | None = None
    problem: dict[str, Any] | None = None
