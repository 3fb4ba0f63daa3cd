"""Bodies of /v1/status. Used by its route."""

from msgspec import UNSET, UnsetType

from stanine.api.bodies import _Body


class LoopBody(_Body, frozen=True):
    """A loop of a process, such as a sweep."""

    name: str
    #: Seconds since its last successful iteration; null before the first.
    completed_ago: float | None
    #: Why its last iteration failed; absent if it did not.
    failing: str | UnsetType = UNSET


class ProcessBody(_Body, frozen=True):
    """A process that was seen in the last 30 seconds."""

    #: api, index-watcher or result-watcher.
    service: str
    host: str
    pid: int
    version: str
    started_at: str
    seen_at: str
    loops: list[LoopBody]


class QueueSampleBody(_Body, frozen=True):
    """Messages of a queue at one moment; `oldestSeconds` is null for an empty queue."""

    queue: str
    ready: int
    in_flight: int
    delayed: int
    dead: int
    oldest_seconds: float | None


class SampleBody(_Body, frozen=True):
    """Numbers of attempts that arrived and of results until a moment, and the queues then."""

    at: str
    attempts: int
    results: int
    queues: list[QueueSampleBody]


class BehindBody(_Body, frozen=True):
    """An instrument whose newest revision is not served yet; `served` is 0 if none is."""

    instrument: str
    published: int
    served: int


class IndexBody(_Body, frozen=True):
    """The index as this process serves it."""

    instruments: int
    #: Number of instruments that are behind, and the first of them.
    behind_count: int
    behind: list[BehindBody]


class SweepBody(_Body, frozen=True):
    """What the sweeps have to do."""

    #: Blocks of attempts that were left behind because one of their attempts had no result.
    late_blocks: int
    #: Attempts that were queued again and have no result yet.
    requeued: int
    #: Sessions that are open or wait for their removal, and those of them whose time is over.
    sessions: int
    sessions_due: int
    #: Numbers of sessions opened, submitted, withdrawn and expired.
    session_counts: dict[str, int]


class StatusBody(_Body, frozen=True):
    """The state of the whole service at one moment, and the last 15 minutes."""

    at: str
    processes: list[ProcessBody]
    now: SampleBody
    index: IndexBody
    sweeps: SweepBody
    #: One sample per ten seconds, oldest first.
    history: list[SampleBody]
