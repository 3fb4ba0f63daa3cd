"""Lines of an export of attempts, and results with their attempts. Used by `attempt_export` and the routes."""

import msgspec
from msgspec import UNSET, UnsetType

from stanine.api.bodies import ResultBody, State
from stanine.domain.scoring.result import ProfileResult, ScaleResult
from stanine.domain.tables.variables import Variable


class AttemptLabels(msgspec.Struct, frozen=True):
    """Labels of the chosen options, by item, and of attributes' values. A value without a label is omitted."""

    answers: dict[str, str | list[str]]
    attributes: dict[str, str]


class ListedAttempt(msgspec.Struct, frozen=True, rename="camel"):
    """An attempt in a list, with the parts that `include` names."""

    attempt: str
    revision: int
    #: The first revision of the answered form.
    form: int
    state: State
    #: Arrival by the database's clock.
    submitted_at: str
    key: str | UnsetType = UNSET
    participant: str | UnsetType = UNSET
    #: Language and duration in seconds, as submitted.
    language: str | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    attributes: dict[str, float | str] | UnsetType = UNSET
    #: Every item of the form; null: not answered.
    answers: dict[str, float | str | list[float | str] | None] | UnsetType = UNSET
    #: The items that were not shown, because of their conditions.
    not_shown: tuple[str, ...] | UnsetType = UNSET
    labels: AttemptLabels | UnsetType = UNSET
    #: The revision whose scoring was applied, the engine version, and the scores; `reason`: why scoring failed.
    scoring_revision: int | UnsetType = UNSET
    engine: int | UnsetType = UNSET
    scales: dict[str, ScaleResult] | UnsetType = UNSET
    profiles: dict[str, ProfileResult] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ExportedResult(ResultBody, frozen=True):
    """A result in the list of an instrument, with the parts of its attempt that `include` names."""

    #: Duration in seconds, as submitted; with any part of the attempt.
    seconds: float | UnsetType = UNSET
    attributes: dict[str, float | str] | UnsetType = UNSET
    #: Every item of the form; null: not answered.
    answers: dict[str, float | str | list[float | str] | None] | UnsetType = UNSET
    #: The items that were not shown, because of their conditions.
    not_shown: tuple[str, ...] | UnsetType = UNSET
    labels: AttemptLabels | UnsetType = UNSET


class ExportedResultPage(msgspec.Struct, frozen=True):
    """Results in commit order; `next` is the cursor to continue from, also at the end."""

    items: list[ExportedResult]
    next: str


class ListPosition(msgspec.Struct, frozen=True):
    """A line between attempts, and the last line: the cursor to continue from after the attempts before it."""

    next: str


class Codebook(msgspec.Struct, frozen=True):
    """The variables of an instrument's exports, of all its forms."""

    name: str
    #: The newest indexed revision.
    revision: int
    title: str
    variables: list[Variable]
