"""Queue settings.

A Redis hash, written by the bootstrap and read by consumers about once a second.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from stanine.broker.errors import BrokerSettingsInvalid

#: Minimum and maximum of each setting.
RANGES: dict[str, tuple[int, int]] = {
    "lease_ms": (500, 3_600_000),
    "max_deliveries": (1, 1_000),
    "max_retries": (0, 1_000),
    "backoff_min_ms": (1, 86_400_000),
    "backoff_max_ms": (1, 7 * 86_400_000),
    "batch_max_messages": (1, 4_000),
    "batch_max_bytes": (1, 64 * 1024 * 1024),
    "rate_messages": (1, 1_000_000),
    "rate_period_ms": (1, 86_400_000),
    "rate_burst": (1, 1_000_000),
    "dead_max_length": (0, 10_000_000),
    "dead_max_age_ms": (0, 10 * 365 * 86_400_000),
}
#: Settings that may be None.
_OPTIONAL = frozenset(
    {
        "max_retries",
        "backoff_min_ms",
        "backoff_max_ms",
        "batch_max_messages",
        "batch_max_bytes",
        "rate_messages",
        "rate_burst",
    }
)
#: Milliseconds: default first and maximum pause before parts of a failed batch run again.
BACKOFF_MIN_MS, BACKOFF_MAX_MS = 1_000, 300_000


@dataclass(frozen=True)
class QueueSettings:
    """Settings of a queue, validated on creation.

    Raises BrokerSettingsInvalid, which lists every error.
    """

    #: A consumer that has not renewed its lease for this long is dead. A process may stall for a third of it without
    #: effect.
    lease_ms: int = 15_000
    #: Maximum of consumers that may die with a message before it is dead-lettered. Unless `max_retries` is set, also
    #: the maximum of deliveries for a batch message that fails alone.
    max_deliveries: int = 5
    #: Default retries if neither actor nor message sets them (None: as Retries; for batches: `max_deliveries`).
    max_retries: int | None = None
    #: First and maximum pause before a retry; exponential with jitter. None: as actor and Retries; for parts of a
    #: failed batch 1 s and 300 s.
    backoff_min_ms: int | None = None
    backoff_max_ms: int | None = None
    #: Upper limits of a batch in addition to the actor's; None: the actor's limits.
    batch_max_messages: int | None = None
    batch_max_bytes: int | None = None
    #: Rate limit: messages delivered per period to all consumers (None: unlimited), plus at most `rate_burst` (None:
    #: the messages of 100 ms) in any one period. A stream entry counts once, even with many ids; each retry counts
    #: again.
    rate_messages: int | None = None
    rate_period_ms: int = 1_000
    rate_burst: int | None = None
    #: Dead letters kept: maximum number and age (0: unlimited). 10,000 of 1 KiB are 10 MiB.
    dead_max_length: int = 10_000
    dead_max_age_ms: int = 30 * 86_400_000

    def __post_init__(self) -> None:
        faults = []
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not lowest <= value <= highest
            ):
                faults.append(f"{name} is {value!r}, not an integer from {lowest} to {highest}")
        least, most = self.backoff_min_ms, self.backoff_max_ms
        if not faults and least is not None and most is not None and least > most:
            faults.append(f"backoff_min_ms ({least}) is greater than backoff_max_ms ({most})")
        if faults:
            raise BrokerSettingsInvalid(faults)

    @property
    def batch_tries(self) -> int:
        """Maximum of deliveries for a batch message that fails alone."""
        return self.max_deliveries if self.max_retries is None else self.max_retries + 1

    @property
    def batch_backoff_ms(self) -> tuple[int, int]:
        """First and maximum pause before parts of a failed batch run again."""
        least = BACKOFF_MIN_MS if self.backoff_min_ms is None else self.backoff_min_ms
        return least, max(
            least, BACKOFF_MAX_MS
        ) if self.backoff_max_ms is None else self.backoff_max_ms

    def as_fields(self) -> dict[str, int]:
        """Return the hash's fields; None values are absent."""
        return {name: value for name, value in self.all_fields().items() if value is not None}

    def all_fields(self) -> dict[str, int | None]:
        """Return every field of the hash; None marks a field to remove."""
        return asdict(self)


def read_settings(flat: Mapping[bytes, bytes], defaults: QueueSettings) -> QueueSettings:
    """Parse a settings hash; absent fields are taken from `defaults`, unknown fields are ignored.

    Raises BrokerSettingsInvalid, which lists every error.
    """
    values: dict[str, Any] = asdict(defaults)
    faults = []
    for field in fields(QueueSettings):
        text = flat.get(field.name.encode())
        if text is None:
            continue
        try:
            values[field.name] = int(text)
        except ValueError:
            faults.append(f"{field.name} is {text.decode(errors='replace')!r}, not an integer")
    if faults:
        raise BrokerSettingsInvalid(faults)
    return QueueSettings(**values)
