"""The spec of a Queue: bootstrap, policy and state of one queue.

Names and ranges follow the broker.
"""

from typing import Annotated, Literal

from msgspec import Meta

from stanine.broker.settings import RANGES
from stanine.crds.references import Token
from stanine.domain.instruments.records import Record, RedisConfigRef

Word = Annotated[str, Meta(min_length=1, max_length=128)]


def _within(setting: str, divisor: int = 1) -> Meta:
    """Return the bounds of a broker setting, for a field in a unit `divisor` times as large."""
    lowest, highest = RANGES[setting]
    return Meta(ge=-(-lowest // divisor), le=highest // divisor)


class BatchPolicy(Record, frozen=True):
    """Limits of one batch, in addition to those of the actor."""

    #: The maximum number of messages in a batch. Default: the actor's.
    max_messages: Annotated[int, _within("batch_max_messages")] | None = None


class DeadLetterPolicy(Record, frozen=True):
    """How many dead letters are kept, and for how long."""

    #: The maximum number of dead letters; the oldest are deleted first. Default: 10000.
    max_length: Annotated[int, _within("dead_max_length")] | None = None
    #: How long a dead letter is kept, in seconds; 0: forever. Default: 2592000 (30 days).
    ttl_seconds: Annotated[int, _within("dead_max_age_ms", 1000)] | None = None


class RateLimit(Record, frozen=True):
    """How many messages all consumers together receive in a period."""

    #: Messages per period.
    messages: Annotated[int, _within("rate_messages")]
    #: The period in milliseconds. Default: 1000.
    period_milliseconds: Annotated[int, _within("rate_period_ms")] = 1_000
    #: How many additional messages may be delivered in a single period. Default: the rate of 100 ms.
    burst: Annotated[int, _within("rate_burst")] | None = None


class Purge(Record, frozen=True):
    """A one-shot request to delete one part of the queue."""

    #: The part to delete. Messages in flight are never deleted.
    part: Literal["Ready", "Delayed", "Dead"]
    #: Identifies the request. It is executed once per new token; a token that exists when the resource is created is never executed.
    token: Token
    #: Delete only dead letters with this reason.
    reason: Word | None = None
    #: Delete only dead letters of this actor.
    actor: Word | None = None


class RequeueDead(Record, frozen=True):
    """A one-shot request to requeue dead letters."""

    #: Identifies the request. It is executed once per new token; a token that exists when the resource is created is never executed.
    token: Token
    #: Requeue only dead letters with this reason.
    reason: Word | None = None
    #: Requeue only dead letters of this actor.
    actor: Word | None = None


class QueueSpec(Record, frozen=True, kw_only=True):
    """The desired state of a Queue. An omitted policy has the broker's default."""

    #: The RedisConfig of the Redis server. Immutable. Default: the one named default.
    redis_config_ref: RedisConfigRef = RedisConfigRef()
    #: The queue's name in the broker. Immutable.
    queue_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern="^[a-zA-Z_][a-zA-Z0-9._-]*$",
            description="a queue's name: letters, digits, ., _ and -, beginning with a letter or _",
        ),
    ]
    #: How often a failed message is retried. Default: the actor's.
    max_retries: Annotated[int, _within("max_retries")] | None = None
    #: The delay before the first retry, doubled for each further one. Default: the actor's, 1000 for batches.
    min_backoff_milliseconds: Annotated[int, _within("backoff_min_ms")] | None = None
    #: The longest delay before a retry. Default: the actor's, 300000 for batches.
    max_backoff_milliseconds: Annotated[int, _within("backoff_max_ms")] | None = None
    #: Seconds without a heartbeat after which a consumer's messages are given to others. Default: 15.
    lease_seconds: Annotated[int, _within("lease_ms", 1000)] | None = None
    #: How often a message may be delivered before it is dead-lettered. Default: 5.
    max_deliveries: Annotated[int, _within("max_deliveries")] | None = None
    #: Limits of one batch, in addition to those of the actor.
    batch: BatchPolicy = BatchPolicy()
    #: How many dead letters are kept, and for how long.
    dead_letter: DeadLetterPolicy = DeadLetterPolicy()
    #: How many messages are delivered in a period. Default: unlimited.
    rate_limit: RateLimit | None = None
    #: Running; Paused: no messages are delivered; Draining: new messages are rejected, the remaining ones are
    #: delivered. Default: Running.
    desired_state: Literal["Running", "Paused", "Draining"] = "Running"
    #: What happens to the queue when this resource is deleted: Retain keeps it, Delete deletes it if it is empty.
    #: Default: Retain.
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    #: Deletes one part of the queue, once per token.
    purge: Purge | None = None
    #: Requeues dead letters, once per token.
    requeue_dead: RequeueDead | None = None


def broker_settings(spec: QueueSpec) -> dict[str, int | None]:
    """Return the settings for `StreamsBroker.write_settings`; None means the broker's default."""
    rate, dead = spec.rate_limit, spec.dead_letter
    return {
        "lease_ms": _milliseconds(spec.lease_seconds),
        "max_deliveries": spec.max_deliveries,
        "max_retries": spec.max_retries,
        "backoff_min_ms": spec.min_backoff_milliseconds,
        "backoff_max_ms": spec.max_backoff_milliseconds,
        "batch_max_messages": spec.batch.max_messages,
        "rate_messages": rate.messages if rate else None,
        "rate_period_ms": rate.period_milliseconds if rate else None,
        "rate_burst": rate.burst if rate else None,
        "dead_max_length": dead.max_length,
        "dead_max_age_ms": _milliseconds(dead.ttl_seconds),
    }


def _milliseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000
