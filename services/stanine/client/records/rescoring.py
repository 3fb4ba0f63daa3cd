"""Re-scoring of an instrument: its state and its report."""

from stanine.client.records.base import ClientRecord


class ValueChangeInfo(ClientRecord, frozen=True):
    """Changes of one value of a scale: attempts, and the mean and largest of the absolute changes."""

    changed: int
    mean: float
    largest: float


class ScaleChangeInfo(ClientRecord, frozen=True):
    """Changes of one scale, in numbers of attempts. `values`: by their names, as `raw` and `t`."""

    changed: int
    became_null: int
    ceased_null: int
    bands_changed: int
    values: dict[str, ValueChangeInfo]


class RescoringReportInfo(ClientRecord, frozen=True):
    """What a re-scoring changes, in numbers of attempts, and the changes of each scale."""

    attempts: int
    changed: int
    unchanged: int
    #: Changed: attempts that had failed; those whose earlier result cannot be read any more.
    had_failed: int
    not_measured: int
    #: Unchanged: attempts that still cannot be scored; that only the earlier scoring can score; with a newer result.
    still_failed: int
    kept: int
    newer: int
    scales: dict[str, ScaleChangeInfo]
    profiles: dict[str, int]


class FormScoringInfo(ClientRecord, frozen=True):
    """The revision that scores the attempts at one form, and the digest of its document."""

    form: int
    revision: int
    digest: str


class RescoringInfo(ClientRecord, frozen=True):
    """The last re-scoring of an instrument."""

    instrument: str
    rescoring: str
    token: str
    dry_run: bool
    #: Running, Completed or Failed.
    state: str
    revision: int
    scorings: list[FormScoringInfo]
    #: Entries of the list of results that are done, and that there were at the start.
    done: int
    total: int
    started_at: str
    report: RescoringReportInfo
    finished_at: str | None = None
    #: Why it failed.
    reason: str | None = None
