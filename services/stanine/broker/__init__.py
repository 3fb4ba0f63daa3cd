"""A Dramatiq broker on Redis Streams, for anyone who uses Dramatiq: it knows actors and queues, nothing of assessments.

    broker = StreamsBroker(url="redis://localhost:6379/0", namespace="shop")
    dramatiq.set_broker(broker)

`streams.py` is the broker (producing), `consumer.py` the consumer (delivering and settling), `keeper.py` the thread that renews leases,
promotes delayed messages and takes over from dead consumers, `functions/` what happens inside Redis.
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
    "BatchRefused", "BrokerSettingsInvalid", "DedupeRefused", "QueueDraining", "QueueManaged", "QueueState", "RequestConflict",
    "StreamsBroker", "StreamsBrokerError",
]  # fmt: skip
