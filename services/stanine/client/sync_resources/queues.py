"""`client.queues`: operate queues and dead letters."""

from collections.abc import Sequence
from typing import Literal

from stanine.client.calls import queues
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.records import DeadLetterInfo, OrderDone, QueueInfo
from stanine.client.sync_resources.base import Listing, SyncResource


class QueuesResource(SyncResource):
    """`client.queues`: queue operations."""

    def list(self) -> list[QueueInfo]:
        """Return all queues."""
        return self._client.call(queues.every())

    def get(self, queue: str) -> QueueInfo:
        """Return one queue."""
        return self._client.call(queues.read(queue))

    def pause(self, queue: str) -> QueueInfo:
        """Stop deliveries within 2 s; new work is still accepted."""
        return self._client.call(queues.set_state(queue, "pause"))

    def resume(self, queue: str) -> QueueInfo:
        """End a pause or a drain."""
        return self._client.call(queues.set_state(queue, "resume"))

    def drain(self, queue: str) -> QueueInfo:
        """Reject new work within 2 s and finish the rest."""
        return self._client.call(queues.set_state(queue, "drain"))

    def purge(
        self, queue: str, part: Literal["ready", "delayed", "dead"], *, token: str | None = None
    ) -> OrderDone:
        """Delete a part of a queue, idempotently by `token`.

        The client creates a random token by default.
        """
        return self._client.call(queues.purge(queue, part, token))

    def dead_letters(
        self,
        queue: str,
        *,
        reason: str | None = None,
        actor: str | None = None,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = queues.PAGE,
    ) -> Listing[DeadLetterInfo]:
        """List dead letters in order of death.

        After a changed history, "continue" lists them from the beginning again.
        """
        context = self._client.context
        reader = ListReader(
            context,
            lambda at: queues.dead_page(queue, at, page_size, reason, actor),
            after,
            on_history_change,
        )
        return Listing(self._client, reader)

    def dead_letter(self, queue: str, letter: str) -> DeadLetterInfo:
        """Return one dead letter."""
        return self._client.call(queues.dead_letter(queue, letter))

    def delete_dead_letter(self, queue: str, letter: str) -> OrderDone:
        """Delete one dead letter. Not retried: after LostAnswerError, check with `dead_letter`."""
        return self._client.call(queues.delete_dead_letter(queue, letter))

    def requeue_dead(
        self,
        queue: str,
        ids: Sequence[str] | None = None,
        *,
        reason: str | None = None,
        actor: str | None = None,
        everything: bool = False,
        token: str | None = None,
    ) -> OrderDone:
        """Requeue dead letters: those with these ids, all of a reason or actor, or all.

        Without ids the operation is idempotent by `token`; the client creates a random token by default.
        """
        return self._client.call(
            queues.order_dead(queue, "requeue", ids, reason, actor, token, everything=everything)
        )

    def delete_dead(
        self,
        queue: str,
        ids: Sequence[str] | None = None,
        *,
        reason: str | None = None,
        actor: str | None = None,
        everything: bool = False,
        token: str | None = None,
    ) -> OrderDone:
        """Delete dead letters, selected as for `requeue_dead`."""
        return self._client.call(
            queues.order_dead(queue, "delete", ids, reason, actor, token, everything=everything)
        )
