"""Status fields of the kinds as records, for the CRDs and their documentation.

The operator itself writes plain data.
"""

from typing import Annotated, Literal

from msgspec import Meta

from stanine.crds.errors import MAX_MESSAGE_CHARACTERS
from stanine.crds.references import MAX_INT32
from stanine.domain.instruments.records import Record

#: Largest integer in a status that every JSON parser reads exactly.
_LARGEST = (1 << 53) - 1

Count = Annotated[int, Meta(ge=0, le=_LARGEST)]
Small = Annotated[int, Meta(ge=0, le=MAX_INT32)]
Text = Annotated[str, Meta(max_length=1024)]
Operator = Annotated[str, Meta(max_length=253)] | None


class StatusCondition(Record, frozen=True):
    """One aspect of the resource's state, as metav1.Condition."""

    #: The type of the condition.
    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern="^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    #: The status of the condition; Unknown if it cannot be determined now.
    status: Literal["True", "False", "Unknown"]
    #: When the status last changed.
    last_transition_time: Annotated[str, Meta(max_length=64, extra={"format": "date-time"})]
    #: The reason of the status in CamelCase, for programs.
    reason: Annotated[
        str, Meta(min_length=1, max_length=1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    #: The reason of the status with its remedy, for people.
    message: Annotated[str, Meta(max_length=MAX_MESSAGE_CHARACTERS)]
    #: The generation of the spec that was evaluated.
    observed_generation: Count | None = None


Conditions = Annotated[tuple[StatusCondition, ...], Meta(max_length=16, extra={"keys": ("type",)})]


class StatusDrift(Record, frozen=True):
    """A server parameter that differs from the spec."""

    #: The name of the parameter.
    name: Annotated[str, Meta(max_length=128)]
    #: The value in the spec.
    wanted: Text
    #: The value on the server; empty if the server does not know the parameter.
    found: Text


class StatusMemory(Record, frozen=True):
    """The server's memory, rounded. The metrics are exact."""

    #: Used memory in bytes.
    used_bytes: Count | None = None
    #: The server's maxmemory in bytes; 0: no limit.
    max_bytes: Count | None = None
    #: Resident memory in percent of the used memory.
    fragmentation_percent: Count | None = None
    #: Bytes of the settings in the hash layout.
    hash_layout_bytes: Count | None = None
    #: Bytes of the settings in the string layout.
    string_layout_bytes: Count | None = None


class RedisConfigStatus(Record, frozen=True):
    """The observed state of a RedisConfig."""

    #: The generation of the spec that the operator last reconciled.
    observed_generation: Count | None = None
    #: The operator that serves the resource: the namespace's own, or else the cluster's.
    operator: Operator = None
    #: Ready, Reachable, ServerConfigured, SettingsApplied, Migrated, MemoryHigh; Paused while the resource is paused.
    conditions: Conditions = ()
    #: The server and its version.
    server_version: Text | None = None
    #: The server's run_id: it changes when the server restarts, or when another server becomes the primary.
    run_id: Text | None = None
    #: The server's role in replication: primary or replica.
    role: Text | None = None
    #: The newest revision of the settings.
    revision: Count | None = None
    #: The current layout of the settings.
    layout: Text | None = None
    #: The server parameters that differ from the spec.
    drift: Annotated[tuple[StatusDrift, ...], Meta(max_length=128, extra={"keys": ("name",)})] = ()
    #: The server's memory, rounded.
    memory: StatusMemory | None = None
    #: The last spec.rollbackTo that was applied.
    last_handled_pin: Count | None = None


class StatusRequest(Record, frozen=True):
    """The result of a one-shot request."""

    #: The request's token.
    token: Annotated[str, Meta(max_length=64)]
    #: The result of the request.
    outcome: Text
    #: The number of affected messages.
    count: Count | None = None


class QueueStatus(Record, frozen=True):
    """The observed state of a Queue.

    Counts are rounded and written at most every five minutes; the metrics are exact.
    """

    #: The generation of the spec that the operator last reconciled.
    observed_generation: Count | None = None
    #: The operator that serves the resource: the namespace's own, or else the cluster's.
    operator: Operator = None
    #: Ready, Bootstrapped, Paused.
    conditions: Conditions = ()
    #: Messages that wait for delivery.
    ready: Count | None = None
    #: Messages that are delayed.
    delayed: Count | None = None
    #: Messages that are delivered and not yet acknowledged.
    in_flight: Count | None = None
    #: Dead letters.
    dead: Count | None = None
    #: How long the oldest waiting message has waited, in seconds.
    oldest_seconds: Count | None = None
    #: The number of live consumers.
    consumers: Count | None = None
    #: The queue's state in Redis.
    state: Text | None = None
    #: The result of the last purge.
    purge: StatusRequest | None = None
    #: The result of the last requeueing of dead letters.
    requeue_dead: StatusRequest | None = None


class StatusRescoring(Record, frozen=True):
    """The state of the requested re-scoring. Its report by scale: GET /v1/instruments/NAME/rescoring."""

    #: The request's token.
    token: Annotated[str, Meta(max_length=64)]
    #: Waiting: for the index, or for another re-scoring; Running; Completed; Failed; NotExecuted: the token came with the
    #: resource; TokenConflict: the token was used for a re-scoring with another dryRun.
    outcome: Text
    #: Entries of the list of results that are done, rounded down to percent while it runs.
    done: Count | None = None
    #: Entries of the list of results at the start.
    total: Count | None = None
    #: Attempts whose result changes, so far.
    changed: Count | None = None
    #: Why it failed.
    reason: Text | None = None


class InstrumentStatus(Record, frozen=True):
    """The observed state of an Instrument."""

    #: The generation of the spec that the operator last reconciled.
    observed_generation: Count | None = None
    #: The operator that serves the resource: the namespace's own, or else the cluster's.
    operator: Operator = None
    #: Ready, Published, Indexed; Paused while the resource is paused.
    conditions: Conditions = ()
    #: The revision of this document.
    revision: Count | None = None
    #: The revision that is used for scoring.
    indexed_revision: Count | None = None
    #: The number of items.
    items: Small | None = None
    #: The number of scales.
    scales: Small | None = None
    #: The SHA-256 of the document's canonical JSON.
    digest: Annotated[str, Meta(max_length=128)] | None = None
    #: The state of the requested re-scoring.
    rescoring: StatusRescoring | None = None
