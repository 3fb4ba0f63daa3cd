"""What an operator does to a queue: looking, pausing, draining, purging, dead letters. Mixed into StreamsBroker.

Nothing here needs the queue to be declared. Errors are redis-py's own.
"""

import secrets
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Literal, get_args

from stanine.broker.connection.ownership import Manager
from stanine.broker.deadletters import DeadLetter, delete_dead, find_dead, last_dead_id, list_dead
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.queue import Outcome, Queue, QueueStats
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.state import QueueState, read_state

if TYPE_CHECKING:
    import redis

#: What can be purged.
Part = Literal["ready", "delayed", "dead"]
#: How the tokens begin that are made here and forgotten when the request is done.
ANONYMOUS = "~"


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

    def try_write(self, queue_name: str) -> None:
        """Raise what the server says to a write, if it refuses it; changes nothing."""
        self._queue(queue_name).start(self.client, "", ())

    def state(self, queue_name: str) -> QueueState:
        """Return what a queue is told to do. Raises BrokerSettingsInvalid if its hash says something else."""
        return read_state(self._queue(queue_name).read_settings(self.client))

    def settings(self, queue_name: str) -> QueueSettings:
        """Return the settings that a queue's consumers go by. Raises BrokerSettingsInvalid if its hash cannot be used."""
        return read_settings(self._queue(queue_name).read_settings(self.client), self.defaults)

    def write_settings(self, queue_name: str, **values: int | None) -> QueueSettings:
        """Change some of a queue's settings (None: as if never set); return all as they are then. Consumers follow within 2 s.

        Raises BrokerSettingsInvalid for names and values that cannot be used, QueueManaged; nothing is changed then.
        """
        unknown = values.keys() - {field.name for field in fields(QueueSettings)}
        if unknown:
            raise BrokerSettingsInvalid(
                [f"{name} is no setting of a queue" for name in sorted(unknown)]
            )
        queue = self._queue(queue_name)
        kept = {
            name: value
            for name, value in queue.read_settings(self.client).items()
            if name.decode() not in values
        }
        given = {
            name.encode(): str(value).encode()
            for name, value in values.items()
            if value is not None
        }
        settings = read_settings({**kept, **given}, self.defaults)
        queue.write_settings(self.client, values, overwrite=True)
        return settings

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
        """Set what a queue is to do; return what it was told before. Raises QueueManaged if that is for somebody else to say."""
        return self._queue(queue_name).set_state(self.client, state)

    def note_handled(
        self, queue_name: str, manager: Manager, request: Literal["purge", "requeue"], token: str
    ) -> None:
        """Note that a manager's request at large was dealt with, for as long as it manages the queue (bootstrap.py, `Management`)."""
        self._queue(queue_name).note_handled(self.client, manager, request, token)

    def remove(self, queue_name: str, manager: Manager) -> bool:
        """Remove a queue with its settings, if nothing is ready, delayed, in flight or dead; return whether it was removed.

        A queue that is kept is nobody's from then on. Consumers of one that was removed register anew and go by the defaults. Raises
        QueueManaged if another than this manager holds it.
        """
        return self._queue(queue_name).remove(self.client, manager)

    def flush(self, queue_name: str) -> None:
        """Delete what is ready, delayed or in flight. Dead letters stay: see `purge`."""
        self.purge(queue_name, "delayed")
        self._queue(queue_name).drop(self.client)

    def flush_all(self) -> None:
        """Flush every declared queue."""
        for queue_name in self.queues:
            self.flush(queue_name)

    def purge(
        self,
        queue_name: str,
        part: Part | str,
        *,
        reason: str = "",
        actor: str = "",
        token: str = "",
    ) -> int:
        """Delete one part of a queue: `ready` (not what is in flight), `delayed`, or `dead` (all, or those of a reason and an actor).

        Returns how many messages that were. What comes after the call has begun is spared. `token`: see `carry_out`.
        """
        if part not in get_args(Part):
            raise ValueError(f"a queue has the parts ready, delayed and dead, not {part!r}")
        if part != "dead" and (reason or actor):
            raise ValueError("only dead letters are purged by reason or actor")
        return self.carry_out(
            queue_name, f"purge {part}", reason=reason, actor=actor, token=token
        ).count

    def requeue_all_dead(
        self, queue_name: str, *, reason: str = "", actor: str = "", token: str = ""
    ) -> int:
        """Put all dead letters (or those of a reason and an actor) back; one that dies again meanwhile stays dead. Returns how many."""
        return self.carry_out(
            queue_name, "requeue dead", reason=reason, actor=actor, token=token
        ).count

    def carry_out(
        self, queue_name: str, action: str, *, reason: str = "", actor: str = "", token: str = ""
    ) -> Outcome:
        """Carry out `purge ready`, `purge delayed`, `purge dead` or `requeue dead` as a request with a token.

        The same token never acts twice (the last 1,000 of a queue are remembered): sent again, the request goes on where it was
        interrupted, or only tells what it came to. Raises RequestConflict if the token stands for another request.
        """
        if token.startswith(ANONYMOUS):
            raise ValueError(f"a token does not begin with {ANONYMOUS!r}")
        return self._queue(queue_name).carry_out(
            self.client, token or ANONYMOUS + secrets.token_hex(16), action, reason, actor
        )

    def recall(self, queue_name: str, token: str, action: str) -> Outcome | None:
        """Return what the request with a token has come to, without carrying anything out; None if it is not (or no more) known."""
        return self._queue(queue_name).recall(self.client, token, action)

    def dead_letters(
        self,
        queue_name: str,
        *,
        after: str = "",
        limit: int = 100,
        reason: str = "",
        actor: str = "",
    ) -> list[DeadLetter]:
        """Return dead letters in order of death, at most `limit`, those after an id; of a reason and an actor if given."""
        return list_dead(self.client, self._queue(queue_name), after, limit, reason, actor)

    def last_dead_id(self, queue_name: str) -> str:
        """Return the highest id that a dead letter has had, deleted ones included; `0-0` if there was none."""
        return last_dead_id(self.client, self._queue(queue_name))

    def dead_letter(self, queue_name: str, letter_id: str) -> DeadLetter | None:
        """Return one dead letter, or None."""
        return find_dead(self.client, self._queue(queue_name), letter_id)

    def requeue_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Put dead letters back into the queue, their deliveries counted from none; return how many were there."""
        return (
            self._queue(queue_name).revive(self.client, [entry_id.encode() for entry_id in ids])
            if ids
            else 0
        )

    def delete_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Delete dead letters; return how many were there."""
        return delete_dead(self.client, self._queue(queue_name), ids)
