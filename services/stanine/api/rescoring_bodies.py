"""Request and response bodies of re-scoring, and of the history of an attempt's results."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stanine.api.bodies import ResultBody
from stanine.domain.statistics.rescoring import RescoringReport

#: Maximum characters of a request's token.
MAX_TOKEN = 128


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """Base of all bodies: camelCase names."""


class RescoringOrder(_Body, frozen=True, forbid_unknown_fields=True):
    """What to do with the results of an instrument's attempts."""

    #: Only report what would change.
    dry_run: bool = False
    #: Idempotency token: a repeated request with it starts nothing. Default: a random one.
    token: Annotated[str, Meta(max_length=MAX_TOKEN)] = ""


class FormScoring(_Body, frozen=True):
    """The revision that scores the attempts at one form."""

    form: int
    revision: int
    #: Digest of its document.
    digest: str


class RescoringBody(_Body, frozen=True):
    """The last re-scoring of an instrument: its state, its progress, and what it changed so far."""

    instrument: str
    #: The random id of this run.
    rescoring: str
    token: str
    dry_run: bool
    state: Literal["Running", "Completed", "Failed"]
    #: The instrument's newest revision at the start, and the scoring of each form.
    revision: int
    scorings: list[FormScoring]
    #: Entries of the list of results that are done, and that there were at the start.
    done: int
    total: int
    started_at: str
    report: RescoringReport
    finished_at: str | UnsetType = UNSET
    #: Why it failed, in one word.
    reason: str | UnsetType = UNSET


class ResultHistoryBody(_Body, frozen=True):
    """The earlier results of an attempt, oldest first; none if it was never re-scored."""

    attempt: str
    items: list[ResultBody]
