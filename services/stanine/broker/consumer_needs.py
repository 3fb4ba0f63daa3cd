"""The part of StreamsBroker that its consumers use. streams.py describes the members."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import dramatiq

from stanine.broker.keeper import LeaseKeeper
from stanine.broker.lease import ConsumerLease
from stanine.broker.settling import Settler

if TYPE_CHECKING:
    import redis


class BrokerOfConsumers(Protocol):
    """A broker as a consumer needs it."""

    actors: dict[str, "dramatiq.Actor[Any, Any]"]
    keeper: LeaseKeeper
    on_cycle: Callable[[str], None]

    @property
    def client(self) -> "redis.Redis": ...  # noqa: D102 - see streams.py
    @property
    def blocking_client(self) -> "redis.Redis": ...  # noqa: D102 - likewise
    @property
    def once_client(self) -> "redis.Redis": ...  # noqa: D102 - likewise
    @property
    def settler(self) -> Settler: ...  # noqa: D102 - likewise

    def join_queue(self, lease: ConsumerLease) -> None: ...  # noqa: D102 - likewise
    def rejoin(self, lost: ConsumerLease) -> ConsumerLease: ...  # noqa: D102 - likewise
    def idle_threads(self, lease: ConsumerLease, threads: int) -> int: ...  # noqa: D102 - likewise
    def consumer_closed(  # noqa: D102 - likewise
        self, consumer: dramatiq.Consumer, lease: ConsumerLease, *, stopping: bool
    ) -> None: ...
