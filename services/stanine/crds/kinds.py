"""The three kinds of `stanine.dev/v1alpha1`: names, records, rules and printer columns."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from stanine.crds.queue import QueueSpec
from stanine.crds.queue_rules import INSTRUMENT_RULES, QUEUE_RULES
from stanine.crds.reading import read_instrument, read_queue, read_redis_config
from stanine.crds.redis_config import RedisConfigSpec
from stanine.crds.redis_config_rules import REDIS_CONFIG_RULES
from stanine.crds.rules import Rule
from stanine.crds.status import InstrumentStatus, QueueStatus, RedisConfigStatus
from stanine.domain.instruments import records as domain

GROUP, VERSION = "stanine.dev", "v1alpha1"


class Column(msgspec.Struct, frozen=True):
    """A printer column of `kubectl get`. Wide columns require `-o wide`."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    about: str = ""
    wide: bool = False


class ResourceKind(msgspec.Struct, frozen=True):
    """One kind of custom resource."""

    kind: str
    plural: str
    short: str
    about: str
    spec: type[msgspec.Struct]
    status: type[msgspec.Struct]
    rules: tuple[Rule, ...]
    columns: tuple[Column, ...]
    #: Reads (name, spec); raises InvalidResource.
    read: Callable[[str, object], Any]
    #: Whether the resource's name is used in Redis or in references, and so must be a DNS-1123 label.
    is_label: bool


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_READY = (
    Column("Ready", _condition("Ready", "status"), about="Whether everything is as the spec says."),
    Column("Reason", _condition("Ready", "reason"), about="Why it is ready or not."),
)
_LAST = (
    Column(
        "Message",
        _condition("Ready", "message"),
        about="Why it is ready or not, with the remedy.",
        wide=True,
    ),
    Column(
        "Operator", ".status.operator", about="The operator that serves the resource.", wide=True
    ),
    Column("Age", ".metadata.creationTimestamp", "date"),
)

REDIS_CONFIG = ResourceKind(
    "RedisConfig",
    "redisconfigs",
    "rcfg",
    "A Redis server: its address, its runtime parameters, and the settings of the application that stores its keys there.",
    RedisConfigSpec,
    RedisConfigStatus,
    REDIS_CONFIG_RULES,
    (
        *_READY,
        Column("Server", ".status.serverVersion", about="The server and its version."),
        Column("Revision", ".status.revision", "integer", "The newest revision of the settings."),
        Column("Layout", ".status.layout", about="How the settings are stored.", wide=True),
        Column("Role", ".status.role", about="primary or replica.", wide=True),
        Column(
            "Used",
            ".status.memory.usedBytes",
            "integer",
            "Bytes of memory in use, rounded.",
            wide=True,
        ),
        Column(
            "Namespace of keys", ".spec.keyNamespace", about="The prefix of the keys.", wide=True
        ),
        *_LAST,
    ),
    lambda _, spec: read_redis_config(spec),
    is_label=True,
)

QUEUE = ResourceKind(
    "Queue",
    "queues",
    "sq",
    "A queue of messages: its policy, its state, and requests to purge it or to requeue dead letters.",
    QueueSpec,
    QueueStatus,
    QUEUE_RULES,
    (
        *_READY,
        Column("State", ".status.state", about="Running, Paused or Draining."),
        Column("Depth", ".status.ready", "integer", "Messages that wait for delivery, rounded."),
        Column(
            "In flight",
            ".status.inFlight",
            "integer",
            "Messages delivered and not yet acknowledged, rounded.",
        ),
        Column("Dead", ".status.dead", "integer", "Dead letters, rounded."),
        Column(
            "Delayed",
            ".status.delayed",
            "integer",
            "Delayed messages, rounded.",
            wide=True,
        ),
        Column(
            "Oldest",
            ".status.oldestSeconds",
            "integer",
            "Seconds that the oldest waiting message has waited.",
            wide=True,
        ),
        Column("Consumers", ".status.consumers", "integer", "Live consumers.", wide=True),
        Column("Queue", ".spec.queueName", about="The queue's name in the broker.", wide=True),
        *_LAST,
    ),
    lambda _, spec: read_queue(spec),
    is_label=False,
)

INSTRUMENT = ResourceKind(
    "Instrument",
    "instruments",
    "instr",
    "A questionnaire with its scoring. Applying it publishes it; a changed document becomes the next revision.",
    domain.Spec,
    InstrumentStatus,
    INSTRUMENT_RULES,
    (
        *_READY,
        Column("Revision", ".status.revision", "integer", "The revision of this document."),
        Column(
            "Indexed",
            ".status.indexedRevision",
            "integer",
            "The revision used for scoring.",
        ),
        Column("Items", ".status.items", "integer", "Items of the document."),
        Column("Scales", ".status.scales", "integer", "Scales of the document."),
        Column("Title", ".spec.title", about="The instrument's title.", wide=True),
        *_LAST,
    ),
    read_instrument,
    is_label=True,
)

KINDS: dict[str, ResourceKind] = {kind.kind: kind for kind in (REDIS_CONFIG, QUEUE, INSTRUMENT)}
