"""Queues, the runtime configuration, and secrets."""

from stanine.client.records.base import ClientRecord


class QueueInfo(ClientRecord, frozen=True):
    """A queue at one moment."""

    queue: str
    actor: str
    #: Running, Paused or Draining.
    state: str
    #: Whether it is draining and has no work left.
    drained: bool
    ready: int
    in_flight: int
    delayed: int
    #: Number of stored dead letters.
    dead: int
    #: Numbers of dead letters ever created, by reason.
    deaths: dict[str, int]
    #: Age of the oldest message in seconds; null for an empty queue.
    oldest_seconds: float | None
    consumers: int
    #: The custom resource that owns settings and state.
    managed_by: str | None = None
    settings: dict[str, int] | None = None
    #: Instead of `settings`: why the stored ones are not applied.
    faults: list[str] | None = None


class DeadLetterInfo(ClientRecord, frozen=True):
    """A message that was dead-lettered."""

    id: str
    reason: str
    actor: str
    deliveries: int
    created_at: str
    died_at: str
    #: Attempt ids or instrument names.
    about: list[str]


class OrderDone(ClientRecord, frozen=True):
    """Result of an operation on a queue."""

    #: Number of messages deleted or requeued.
    count: int
    #: Whether this token's operation was executed before; `count` is then its result.
    repeated: bool


class SettingInfo(ClientRecord, frozen=True):
    """One setting as the services apply it."""

    name: str
    value: int | str
    #: Whether the configuration contains a value; otherwise the default applies.
    stated: bool
    #: Why the stored value is not applied.
    fault: str | None = None


class ConfigInfo(ClientRecord, frozen=True):
    """The runtime configuration."""

    revision: int
    layout: str
    dual_write: bool
    edited: bool
    string: str
    settings: list[SettingInfo]
    others: list[str]
    bytes: dict[str, int]
    managed_by: str | None = None
    unreadable: str | None = None


class ConfigRevision(ClientRecord, frozen=True):
    """An earlier state of the configuration."""

    revision: int
    at: str
    origin: str
    settings: dict[str, str]
    changed: list[str]
    changed_others: int
    by: str | None = None
    of: int | None = None


class ConfigChange(ClientRecord, frozen=True):
    """Result of a change of the configuration."""

    #: The current revision: a new one if values differed.
    revision: int
    changed: bool


class TokensRotated(ClientRecord, frozen=True):
    """The secret of attempt tokens was rotated."""

    #: Until when tokens of the previous secret are accepted.
    former_valid_until: str
    #: Until when codes of the previous secret are accepted, if that was rotated.
    links_valid_until: str | None = None
