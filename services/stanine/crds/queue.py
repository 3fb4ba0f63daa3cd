"""The spec of a Queue: bootstrap, policy and state of one queue. Names and ranges follow the broker's settings."""

from typing import Annotated, Literal

from msgspec import Meta

from stanine.broker.settings import RANGES
from stanine.crds.references import Token
from stanine.domain.instruments.records import Record, RedisConfigRef

Word = Annotated[str, Meta(min_length=1, max_length=128)]


def _within(setting: str, divisor: int = 1) -> Meta:
    """Return the bounds of a broker's setting, for a field in a unit `divisor` times as large."""
    lowest, highest = RANGES[setting]
    return Meta(ge=-(-lowest // divisor), le=highest // divisor)


class BatchLimits(Record, frozen=True):
    """Limits on one batch, beside those of the actor."""

    #: The most messages an actor is handed at once. Default: as the actor says.
    max_messages: Annotated[int, _within("batch_max_messages")] | None = None


class DeadLetterLimits(Record, frozen=True):
    """How many dead letters are kept, and how long."""

    #: The most dead letters kept; the oldest go first. Default: 10000.
    max_length: Annotated[int, _within("dead_max_length")] | None = None
    #: How long a dead letter is kept; 0: for ever. Default: 2592000 (30 days).
    ttl_seconds: Annotated[int, _within("dead_max_age_ms", 1000)] | None = None


class RateLimit(Record, frozen=True):
    """How many messages all consumers together are handed in a period."""

    #: Messages in a period.
    messages: Annotated[int, _within("rate_messages")]
    #: The period. Default: 1000.
    period_milliseconds: Annotated[int, _within("rate_period_ms")] = 1_000
    #: How many more may be handed out in any one period. Default: as many as come in 100 ms.
    burst: Annotated[int, _within("rate_burst")] | None = None


class Purge(Record, frozen=True):
    """A request to delete one part of the queue, once."""

    #: The part to delete. What is in flight is never deleted.
    part: Literal["Ready", "Delayed", "Dead"]
    #: The request's mark. It is executed once for each new token; one that is there when the resource is created is never executed.
    token: Token
    #: Of the dead letters, only those of this reason.
    reason: Word | None = None
    #: Of the dead letters, only those of this actor.
    actor: Word | None = None


class RequeueDead(Record, frozen=True):
    """A request to put dead letters back, once."""

    #: The request's mark. It is executed once for each new token; one that is there when the resource is created is never executed.
    token: Token
    #: Only the dead letters of this reason.
    reason: Word | None = None
    #: Only the dead letters of this actor.
    actor: Word | None = None


class QueueSpec(Record, frozen=True, kw_only=True):
    """What a Queue asks for. A policy that is left out is the broker's default."""

    #: The RedisConfig that says where Redis is. Cannot be changed. Default: the one named default.
    redis_config_ref: RedisConfigRef = RedisConfigRef()
    #: The queue's name in the broker. Cannot be changed.
    queue_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern="^[a-zA-Z_][a-zA-Z0-9._-]*$",
            description="a queue's name: letters, digits, ., _ and -, beginning with a letter or _",
        ),
    ]
    #: How often a message that failed is tried again. Default: as the actor says.
    max_retries: Annotated[int, _within("max_retries")] | None = None
    #: The first pause before a failed message is tried again; doubled each time. Default: as the actor says, for batches 1000.
    min_backoff_milliseconds: Annotated[int, _within("backoff_min_ms")] | None = None
    #: The longest pause before a failed message is tried again. Default: as the actor says, for batches 300000.
    max_backoff_milliseconds: Annotated[int, _within("backoff_max_ms")] | None = None
    #: After how long without a sign of life a consumer's messages are taken over. Default: 15.
    lease_seconds: Annotated[int, _within("lease_ms", 1000)] | None = None
    #: How often a message may be delivered before it becomes a dead letter. Default: 5.
    max_deliveries: Annotated[int, _within("max_deliveries")] | None = None
    #: Limits on one batch, beside those of the actor.
    batch: BatchLimits = BatchLimits()
    #: How many dead letters are kept, and how long.
    dead_letter: DeadLetterLimits = DeadLetterLimits()
    #: How many messages are handed out in a period. Default: any number.
    rate_limit: RateLimit | None = None
    #: Running; Paused: nothing new is handed out; Draining: new work is refused, the rest is done. Default: Running.
    desired_state: Literal["Running", "Paused", "Draining"] = "Running"
    #: What happens to the queue in Redis when this resource is deleted: Retain keeps it, Delete deletes it if it is empty. Default: Retain.
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    #: Deletes one part of the queue, once for each token.
    purge: Purge | None = None
    #: Puts dead letters back, once for each token.
    requeue_dead: RequeueDead | None = None


def broker_settings(spec: QueueSpec) -> dict[str, int | None]:
    """Return the settings as `StreamsBroker.write_settings` takes them; None is what the resource leaves to the broker's default."""
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
