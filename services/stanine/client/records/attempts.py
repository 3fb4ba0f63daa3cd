"""Attempts: what is submitted, the answers to a submission, and stored attempts."""

from collections.abc import Mapping, Sequence

from stanine.client.errors import ProblemInfo
from stanine.client.records.base import PersonRecord

AnswerValue = int | float | str | Sequence[str] | None
AttributeValue = int | float | str | None


class AttemptRequest(PersonRecord, frozen=True):
    """One attempt to submit."""

    #: Option values by item id, as in the form. None, NaN and missing items count as not answered.
    answers: Mapping[str, AnswerValue]
    #: The caller's key, 1 to 64 characters; required in bulk.
    key: str | None = None
    #: The revision that was answered; by default the newest indexed one.
    revision: int | None = None
    #: A pseudonym of the caller's choice.
    participant: str | None = None
    #: Further data about the person, by the instrument's attribute ids.
    attributes: Mapping[str, AttributeValue] | None = None
    #: The language that it was answered in (BCP 47), and the seconds that it took.
    language: str | None = None
    seconds: float | None = None


class AttemptReceipt(PersonRecord, frozen=True):
    """An accepted submission."""

    attempt: str
    #: Grants access to this attempt's result only.
    token: str
    #: Submitted, Scored or Failed.
    state: str = "Submitted"
    #: Whether the key already had this attempt, from an earlier submission or an earlier try of this call.
    repeated: bool = False
    #: The key that was sent; created by the client if the caller gives none.
    key: str = ""


class AttemptOutcome(PersonRecord, frozen=True):
    """The answer to one line of a bulk submission: an attempt with its token, or a problem."""

    #: The line's place in the input, from 1; blank lines count.
    line: int
    #: As for a single submission: 202, or that of the problem.
    status: int
    key: str | None = None
    attempt: str | None = None
    token: str | None = None
    repeated: bool = False
    problem: ProblemInfo | None = None


class QualityInfo(PersonRecord, frozen=True):
    """Figures about how an attempt was filled in."""

    #: Items that were shown, and how many of them have no answer or one that is declared missing.
    items: int
    missing: int
    #: `missing` divided by `items`; null if no item was shown.
    missing_share: float | None
    #: The most items in a row with the same answer.
    longest_run: int
    seconds: float | None = None


class AttemptInfo(PersonRecord, frozen=True):
    """An attempt as submitted."""

    attempt: str
    instrument: str
    revision: int
    #: Submitted, Scored or Failed.
    state: str
    submitted_at: str
    #: Every item of the form; null: not answered.
    answers: dict[str, int | float | str | list[str] | None]
    key: str | None = None
    participant: str | None = None
    attributes: dict[str, int | float | str] | None = None
    language: str | None = None
    seconds: float | None = None
    #: If it was asked for.
    quality: QualityInfo | None = None
