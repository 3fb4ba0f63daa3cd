"""What an operator does to a queue: looking, pausing, draining, purging, dead letters. Mixed into StreamsBroker.

Nothing here needs the queue to be declared. Errors are redis-py's own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stanine.broker.deadletters import DeadLetter, delete_dead, list_dead
from stanine.broker.queue import Queue, QueueStats
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.state import QueueState

if TYPE_CHECKING:
    import redis


class Operations:
    """The broker's operations on queues, each by the queue's name."""

    if TYPE_CHECKING:
        queues: dict[str, Queue]
        defaults: QueueSettings

        @property
        def client(self) -> "redis.Redis": ...  # noqa: D102 - the broker's
        def _queue(self, queue_name: str) -> Queue: ...

    def stats(self, queue_name: str) -> QueueStats:
        """Return state, depth, age and consumers of a queue, without side effects."""
        return self._queue(queue_name).stats(self.client)

    def settings(self, queue_name: str) -> QueueSettings:
        """Return the settings that a queue's consumers go by. Raises BrokerSettingsInvalid if its hash cannot be used."""
        return read_settings(self._queue(queue_name).read_settings(self.client), self.defaults)

    def pause(self, queue_name: str) -> None:
        """Hand out nothing new, within 2 s; what actors have goes on, delayed messages stay, producers go on."""
        self.set_state(queue_name, QueueState.PAUSED)

    def resume(self, queue_name: str) -> None:
        """Work again after `pause` or `drain`."""
        self.set_state(queue_name, QueueState.RUNNING)

    def drain(self, queue_name: str) -> None:
        """Refuse new messages (QueueDraining) and work off what is there; `stats(…).is_drained` tells when that is done."""
        self.set_state(queue_name, QueueState.DRAINING)

    def set_state(self, queue_name: str, state: QueueState) -> QueueState:
        """Set what a queue is to do; return what it was told before."""
        return self._queue(queue_name).set_state(self.client, state)

    def flush(self, queue_name: str) -> None:
        """Delete what is ready, delayed or in flight. Dead letters stay: see `purge`."""
        queue = self._queue(queue_name)
        self.client.delete(queue.keys.delayed)
        queue.drop(self.client, waiting_only=False)

    def flush_all(self) -> None:
        """Flush every declared queue."""
        for queue_name in self.queues:
            self.flush(queue_name)

    def purge(self, queue_name: str, part: str) -> int:
        """Delete one part of a queue, `ready` (not what is in flight), `delayed` or `dead`; return how many messages that were."""
        queue = self._queue(queue_name)
        if part == "ready":
            return queue.drop(self.client, waiting_only=True)
        if part not in ("delayed", "dead"):
            raise ValueError(f"a queue has the parts ready, delayed and dead, not {part!r}")
        stats = queue.stats(self.client)
        self.client.delete(queue.keys.delayed if part == "delayed" else queue.keys.dead)
        return stats.delayed if part == "delayed" else stats.dead

    def dead_letters(self, queue_name: str, *, after: str = "", limit: int = 100) -> list[DeadLetter]:
        """Return dead letters in order of death, at most `limit`, those after an id."""
        return list_dead(self.client, self._queue(queue_name), after, limit)

    def requeue_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Put dead letters back into the queue, their deliveries counted from none; return how many were there."""
        return self._queue(queue_name).revive(self.client, [entry_id.encode() for entry_id in ids]) if ids else 0

    def delete_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Delete dead letters; return how many were there."""
        return delete_dead(self.client, self._queue(queue_name), ids)
