"""The settings of a queue: a hash in Redis, written by the bootstrap, read by every consumer about once a second."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from stanine.broker.errors import BrokerSettingsInvalid

#: Lowest and highest of each setting, with what it means where that is not plain.
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
#: Milliseconds: first and longest pause before parts of a failed batch run again, where the queue says nothing.
BACKOFF_MIN_MS, BACKOFF_MAX_MS = 1_000, 300_000


@dataclass(frozen=True)
class QueueSettings:
    """How a queue is worked. Validated when made; raises BrokerSettingsInvalid naming every fault."""

    #: A consumer that has not renewed for so long is taken over from. A third of this is the longest harmless stall of a process.
    lease_ms: int = 15_000
    #: A message held by so many consumers that died is given up; so is, unless `max_retries` is set, a batch's that failed alone so often.
    max_deliveries: int = 5
    #: How often what failed is tried again, where neither actor nor message says so (None: as Retries says; of batches: `max_deliveries`).
    max_retries: int | None = None
    #: First and longest pause before what failed is tried again; doubled each time, with jitter. None: as actor and Retries say, and for
    #: parts of a failed batch 1 s and 300 s.
    backoff_min_ms: int | None = None
    backoff_max_ms: int | None = None
    #: Upper limits on a batch beside the actor's own; None: as the actor says.
    batch_max_messages: int | None = None
    batch_max_bytes: int | None = None
    #: All consumers together are handed at most so many messages in a period (None: any number), and at most `rate_burst` (None: as many as
    #: come in 100 ms) more in any one period. A stream entry counts once, also one with many ids; so does every delivery of a retry.
    rate_messages: int | None = None
    rate_period_ms: int = 1_000
    rate_burst: int | None = None
    #: Dead letters kept: at the most so many, and so long (0: for ever). 10,000 of 1 KiB are 10 MiB.
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
                faults.append(f"{name} is {value!r}, not a whole number from {lowest} to {highest}")
        least, most = self.backoff_min_ms, self.backoff_max_ms
        if not faults and least is not None and most is not None and least > most:
            faults.append(f"backoff_min_ms ({least}) is above backoff_max_ms ({most})")
        if faults:
            raise BrokerSettingsInvalid(faults)

    @property
    def batch_tries(self) -> int:
        """At which delivery a message of a batch that fails alone is given up."""
        return self.max_deliveries if self.max_retries is None else self.max_retries + 1

    @property
    def batch_backoff_ms(self) -> tuple[int, int]:
        """The first and the longest pause before parts of a failed batch run again."""
        least = BACKOFF_MIN_MS if self.backoff_min_ms is None else self.backoff_min_ms
        return least, max(
            least, BACKOFF_MAX_MS
        ) if self.backoff_max_ms is None else self.backoff_max_ms

    def as_fields(self) -> dict[str, int]:
        """Return the hash's fields; what is None is absent."""
        return {name: value for name, value in self.all_fields().items() if value is not None}

    def all_fields(self) -> dict[str, int | None]:
        """Return every field of the hash; what is None is to be absent."""
        return asdict(self)


def read_settings(flat: Mapping[bytes, bytes], defaults: QueueSettings) -> QueueSettings:
    """Return the settings in a hash, absent ones from `defaults`. Unknown fields are left to newer versions.

    Raises BrokerSettingsInvalid naming every fault.
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
            faults.append(f"{field.name} is {text.decode(errors='replace')!r}, not a whole number")
    if faults:
        raise BrokerSettingsInvalid(faults)
    return QueueSettings(**values)
