"""What the operator writes into a resource's status, as records: for the CRDs and their documentation. The operator writes plain data."""

from typing import Annotated, Literal

from msgspec import Meta

from stanine.crds.errors import MAX_MESSAGE_CHARACTERS
from stanine.crds.references import MAX_INT32
from stanine.domain.instruments.records import Record

#: Whole numbers of a status: exact in every JSON reader.
_LARGEST = (1 << 53) - 1

Count = Annotated[int, Meta(ge=0, le=_LARGEST)]
Small = Annotated[int, Meta(ge=0, le=MAX_INT32)]
Text = Annotated[str, Meta(max_length=1024)]
Operator = Annotated[str, Meta(max_length=253)] | None


class StatusCondition(Record, frozen=True):
    """One aspect of the resource's state, as metav1.Condition."""

    #: Which aspect.
    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    #: Whether it holds; Unknown if it cannot be told now.
    status: Literal["True", "False", "Unknown"]
    #: Since when the status is as it is.
    last_transition_time: Annotated[str, Meta(max_length=64, extra={"format": "date-time"})]
    #: Why, in one CamelCase word that programs may go by.
    reason: Annotated[
        str, Meta(min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    #: Why, for people, with the remedy.
    message: Annotated[str, Meta(max_length=MAX_MESSAGE_CHARACTERS)]
    #: The generation of the spec that was looked at.
    observed_generation: Count | None = None


Conditions = Annotated[tuple[StatusCondition, ...], Meta(max_length=16, extra={"keys": ("type",)})]


class StatusDrift(Record, frozen=True):
    """A server parameter that is not as the spec wants it."""

    #: The parameter.
    name: Annotated[str, Meta(max_length=128)]
    #: The value in the spec.
    wanted: Text
    #: The value on the server; empty if the server does not know the parameter.
    found: Text


class StatusMemory(Record, frozen=True):
    """The server's memory, rounded. Exact figures are in the metrics."""

    #: Bytes in use.
    used_bytes: Count | None = None
    #: The server's maxmemory in bytes; 0: no limit.
    max_bytes: Count | None = None
    #: Resident memory in percent of the memory in use.
    fragmentation_percent: Count | None = None
    #: Bytes of the settings in the hash layout.
    hash_layout_bytes: Count | None = None
    #: Bytes of the settings in the string layout.
    string_layout_bytes: Count | None = None


class RedisConfigStatus(Record, frozen=True):
    """What the operator found and did."""

    #: The generation of the spec that the operator last acted on.
    observed_generation: Count | None = None
    #: The operator that serves the resource: of the namespace, or of the whole cluster where the namespace has none of its own.
    operator: Operator = None
    #: Ready, Reachable, ServerConfigured, SettingsApplied, Migrated, MemoryHigh; Paused while the resource is paused.
    conditions: Conditions = ()
    #: The server and its version.
    server_version: Text | None = None
    #: The server's run_id: another one when it has started again, or when another server is the primary.
    run_id: Text | None = None
    #: What the server is in its replication: primary or replica.
    role: Text | None = None
    #: The newest revision of the settings.
    revision: Count | None = None
    #: The layout in which the settings are stored now.
    layout: Text | None = None
    #: The server parameters that are not as the spec wants them.
    drift: Annotated[tuple[StatusDrift, ...], Meta(max_length=128, extra={"keys": ("name",)})] = ()
    #: The server's memory, rounded.
    memory: StatusMemory | None = None
    #: The last spec.rollbackTo that was carried out.
    last_handled_pin: Count | None = None


class StatusRequest(Record, frozen=True):
    """What became of a one-shot request."""

    #: The request's token.
    token: Annotated[str, Meta(max_length=64)]
    #: What became of it.
    outcome: Text
    #: How many messages it touched.
    count: Count | None = None


class QueueStatus(Record, frozen=True):
    """What the operator found and did. Counts are rounded and written at most every five minutes; the metrics are exact."""

    #: The generation of the spec that the operator last acted on.
    observed_generation: Count | None = None
    #: The operator that serves the resource: of the namespace, or of the whole cluster where the namespace has none of its own.
    operator: Operator = None
    #: Ready, Bootstrapped, Paused.
    conditions: Conditions = ()
    #: Messages waiting to be handed out.
    ready: Count | None = None
    #: Messages that wait for their time.
    delayed: Count | None = None
    #: Messages handed out and not yet settled.
    in_flight: Count | None = None
    #: Dead letters.
    dead: Count | None = None
    #: How long the oldest waiting message has waited.
    oldest_seconds: Count | None = None
    #: Consumers that are alive.
    consumers: Count | None = None
    #: The queue's state in Redis.
    state: Text | None = None
    #: What became of the last purge.
    purge: StatusRequest | None = None
    #: What became of the last re-queueing of dead letters.
    requeue_dead: StatusRequest | None = None


class InstrumentStatus(Record, frozen=True):
    """What the operator found and did."""

    #: The generation of the spec that the operator last acted on.
    observed_generation: Count | None = None
    #: The operator that serves the resource: of the namespace, or of the whole cluster where the namespace has none of its own.
    operator: Operator = None
    #: Ready, Published, Indexed; Paused while the resource is paused.
    conditions: Conditions = ()
    #: The revision that this document is.
    revision: Count | None = None
    #: The revision that attempts are scored by.
    indexed_revision: Count | None = None
    #: The document's items.
    items: Small | None = None
    #: The document's scales.
    scales: Small | None = None
    #: The SHA-256 of the document's canonical JSON.
    digest: Annotated[str, Meta(max_length=128)] | None = None
