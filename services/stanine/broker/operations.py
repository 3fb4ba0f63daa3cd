"""Queue administration: statistics, pause, drain, purge, settings, dead letters.

Mixed into StreamsBroker.

Queues need not be declared. Errors of redis-py propagate.
"""

import secrets
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Literal, get_args

from stanine.broker import administration
from stanine.broker.administration import QueueStats, RequestResult
from stanine.broker.connection.ownership import Owner
from stanine.broker.deadletters import DeadLetter, delete_dead, find_dead, last_dead_id, list_dead
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.queue import Queue
from stanine.broker.settings import QueueSettings, read_settings
from stanine.broker.state import QueueState, read_state

if TYPE_CHECKING:
    import redis

#: Parts of a queue that can be purged.
QueuePart = Literal["ready", "delayed", "dead"]
#: Prefix of generated tokens, which are forgotten when the request is done.
ANONYMOUS = "~"


class Operations:
    """The broker's operations on queues, each by queue name."""

    if TYPE_CHECKING:
        queues: dict[str, Queue]
        defaults: QueueSettings

        @property
        def client(self) -> "redis.Redis": ...  # noqa: D102 - implemented by the broker
        def _queue(self, queue_name: str) -> Queue: ...

    def stats(self, queue_name: str) -> QueueStats:
        """Return state, depth, age and consumers of a queue, without side effects."""
        return administration.read_stats(self.client, self._queue(queue_name))

    def try_write(self, queue_name: str) -> None:
        """Raise the server's error if it rejects writes; changes nothing."""
        self._queue(queue_name).start(self.client, "", ())

    def state(self, queue_name: str) -> QueueState:
        """Return the state of a queue.

        Raises BrokerSettingsInvalid if the stored state is invalid.
        """
        return read_state(administration.read_stored_settings(self.client, self._queue(queue_name)))

    def settings(self, queue_name: str) -> QueueSettings:
        """Return the effective settings of a queue.

        Raises BrokerSettingsInvalid if they are invalid.
        """
        return read_settings(
            administration.read_stored_settings(self.client, self._queue(queue_name)), self.defaults
        )

    def write_settings(self, queue_name: str, **values: int | None) -> QueueSettings:
        """Change some settings of a queue (None resets one); return all settings afterwards.

        Consumers apply them within 2 s. Raises BrokerSettingsInvalid for unknown names and invalid values, and
        QueueManaged; nothing is changed then.
        """
        unknown = values.keys() - {field.name for field in fields(QueueSettings)}
        if unknown:
            raise BrokerSettingsInvalid(
                [f"{name} is not a queue setting" for name in sorted(unknown)]
            )
        queue = self._queue(queue_name)
        kept = {
            name: value
            for name, value in administration.read_stored_settings(self.client, queue).items()
            if name.decode() not in values
        }
        given = {
            name.encode(): str(value).encode()
            for name, value in values.items()
            if value is not None
        }
        settings = read_settings({**kept, **given}, self.defaults)
        administration.write_settings(self.client, queue, values, overwrite=True)
        return settings

    def pause(self, queue_name: str) -> None:
        """Stop delivery within 2 s.

        Running actors finish, delayed messages stay, producers continue.
        """
        self.set_state(queue_name, QueueState.PAUSED)

    def resume(self, queue_name: str) -> None:
        """Resume after `pause` or `drain`."""
        self.set_state(queue_name, QueueState.RUNNING)

    def drain(self, queue_name: str) -> None:
        """Reject new messages (QueueDraining) and process the rest.

        `stats(…).is_drained` reports the end.
        """
        self.set_state(queue_name, QueueState.DRAINING)

    def set_state(self, queue_name: str, state: QueueState) -> QueueState:
        """Set the state of a queue; return the previous one.

        Raises QueueManaged if it has an owner.
        """
        return administration.set_state(self.client, self._queue(queue_name), state)

    def note_handled(
        self, queue_name: str, owner: Owner, request: Literal["purge", "requeue"], token: str
    ) -> None:
        """Record that an owner's request was handled, for as long as it owns the queue."""
        administration.note_handled(self.client, self._queue(queue_name), owner, request, token)

    def remove(self, queue_name: str, owner: Owner) -> bool:
        """Remove a queue that has no messages and no dead letters; return whether it was removed.

        Ownership ends even if the queue is kept. Consumers of a removed queue register again and use the defaults.
        Raises QueueManaged if another owner holds the queue.
        """
        return administration.remove_queue(self.client, self._queue(queue_name), owner)

    def flush(self, queue_name: str) -> None:
        """Delete ready, delayed and in-flight messages. Dead letters are kept; see `purge`."""
        self.purge(queue_name, "delayed")
        administration.drop_messages(self.client, self._queue(queue_name))

    def flush_all(self) -> None:
        """Flush every declared queue."""
        for queue_name in self.queues:
            self.flush(queue_name)

    def purge(
        self,
        queue_name: str,
        part: QueuePart | str,
        *,
        reason: str = "",
        actor: str = "",
        token: str = "",
    ) -> int:
        """Delete one part of a queue and return the number of deleted messages.

        Parts: `ready` (without messages in flight), `delayed`, or `dead` (all, or filtered by reason and actor).
        Messages that arrive after the call began are kept. `token`: see `carry_out`.
        """
        if part not in get_args(QueuePart):
            raise ValueError(f"the parts of a queue are ready, delayed and dead, not {part!r}")
        if part != "dead" and (reason or actor):
            raise ValueError("only dead letters can be purged by reason or actor")
        return self.carry_out(
            queue_name, f"purge {part}", reason=reason, actor=actor, token=token
        ).count

    def requeue_all_dead(
        self, queue_name: str, *, reason: str = "", actor: str = "", token: str = ""
    ) -> int:
        """Requeue all dead letters, or those of a reason and an actor; return their number.

        Messages that die again during the call stay dead.
        """
        return self.carry_out(
            queue_name, "requeue dead", reason=reason, actor=actor, token=token
        ).count

    def carry_out(
        self, queue_name: str, action: str, *, reason: str = "", actor: str = "", token: str = ""
    ) -> RequestResult:
        """Execute a purge or requeue request with a token.

        Actions: `purge ready`, `purge delayed`, `purge dead` and `requeue dead`. A token never acts twice (the
        last 1,000 per queue are remembered): repeating the request continues an interrupted one, or returns the
        result of a completed one. Raises RequestConflict if the token was used for a different request.
        """
        if token.startswith(ANONYMOUS):
            raise ValueError(f"a token must not begin with {ANONYMOUS!r}")
        return administration.carry_out(
            self.client,
            self._queue(queue_name),
            token or ANONYMOUS + secrets.token_hex(16),
            action,
            reason,
            actor,
        )

    def recall(self, queue_name: str, token: str, action: str) -> RequestResult | None:
        """Return the result of a request by its token, without side effects.

        None if it is unknown.
        """
        return administration.recall(self.client, self._queue(queue_name), token, action)

    def dead_letters(
        self,
        queue_name: str,
        *,
        after: str = "",
        limit: int = 100,
        reason: str = "",
        actor: str = "",
    ) -> list[DeadLetter]:
        """Return up to `limit` dead letters after an id, oldest first, of a reason and an actor."""
        return list_dead(self.client, self._queue(queue_name), after, limit, reason, actor)

    def last_dead_id(self, queue_name: str) -> str:
        """Return the highest id a dead letter ever had; `0-0` if there was none."""
        return last_dead_id(self.client, self._queue(queue_name))

    def dead_letter(self, queue_name: str, letter_id: str) -> DeadLetter | None:
        """Return one dead letter, or None."""
        return find_dead(self.client, self._queue(queue_name), letter_id)

    def requeue_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Requeue dead letters with a reset delivery count; return how many existed."""
        return (
            administration.revive(
                self.client, self._queue(queue_name), [entry_id.encode() for entry_id in ids]
            )
            if ids
            else 0
        )

    def delete_dead(self, queue_name: str, ids: Sequence[str]) -> int:
        """Delete dead letters; return how many existed."""
        return delete_dead(self.client, self._queue(queue_name), ids)
