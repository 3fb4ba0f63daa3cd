"""The state of the whole service."""

from stanine.client.records.base import ClientRecord


class LoopInfo(ClientRecord, frozen=True):
    """A loop of a process, such as a sweep."""

    name: str
    #: Seconds since its last successful iteration; None before the first.
    completed_ago: float | None
    #: Why its last iteration failed; None if it did not.
    failing: str | None = None


class ProcessInfo(ClientRecord, frozen=True):
    """A process that was seen in the last 30 seconds."""

    service: str
    host: str
    pid: int
    version: str
    started_at: str
    seen_at: str
    loops: list[LoopInfo]


class QueueMoment(ClientRecord, frozen=True):
    """Messages of a queue at one moment; `oldest_seconds` is None for an empty queue."""

    queue: str
    ready: int
    in_flight: int
    delayed: int
    dead: int
    oldest_seconds: float | None


class Moment(ClientRecord, frozen=True):
    """Numbers of attempts that arrived and of results until a moment, and the queues then."""

    at: str
    attempts: int
    results: int
    queues: list[QueueMoment]


class BehindInfo(ClientRecord, frozen=True):
    """An instrument whose newest revision is not served yet; `served` is 0 if none is."""

    instrument: str
    published: int
    served: int


class IndexStatus(ClientRecord, frozen=True):
    """The index: number of instruments, and those that are behind, counted and the first listed."""

    instruments: int
    behind_count: int
    behind: list[BehindInfo]


class SweepStatus(ClientRecord, frozen=True):
    """What the sweeps have to do."""

    late_blocks: int
    requeued: int
    #: Sessions that are open or wait for their removal, and those of them whose time is over.
    sessions: int
    sessions_due: int
    #: Numbers of sessions opened, submitted, withdrawn and expired.
    session_counts: dict[str, int]


class ServiceStatus(ClientRecord, frozen=True):
    """The state of the whole service at one moment, and samples of the last 15 minutes, oldest first."""

    at: str
    processes: list[ProcessInfo]
    now: Moment
    index: IndexStatus
    sweeps: SweepStatus
    history: list[Moment]
