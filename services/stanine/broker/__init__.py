"""A Dramatiq broker on Redis Streams.

It works for any Dramatiq application and does not depend on the rest of Stanine.

    broker = StreamsBroker(url="redis://localhost:6379/0", namespace="shop")
    dramatiq.set_broker(broker)

`streams.py` is the broker (enqueueing), `consumer.py` the consumer (delivery and settlement), `keeper.py` the thread
that renews leases and promotes delayed messages, and `functions/` the Redis functions.
"""

from stanine.broker.errors import (
    BatchRefused,
    BrokerSettingsInvalid,
    DedupeRefused,
    QueueDraining,
    QueueManaged,
    RequestConflict,
    StreamsBrokerError,
)
from stanine.broker.state import QueueState
from stanine.broker.streams import StreamsBroker

__all__ = [
    "BatchRefused",
    "BrokerSettingsInvalid",
    "DedupeRefused",
    "QueueDraining",
    "QueueManaged",
    "QueueState",
    "RequestConflict",
    "StreamsBroker",
    "StreamsBrokerError",
]
