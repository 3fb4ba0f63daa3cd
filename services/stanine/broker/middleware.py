"""Middleware of the broker.

Batch options, shutdown, and skipping of messages that were taken over.
"""

from typing import Any, Protocol, cast

import dramatiq
from dramatiq.middleware import Middleware, SkipMessage

from stanine.broker.batch import BATCH_OPTIONS
from stanine.broker.dedupe import MODE, PERIOD
from stanine.broker.proxy import StreamProxy
from stanine.broker.state import working


class BrokerOfWorkers(Protocol):
    """The part of StreamsBroker that follows its Workers."""

    workers: list[dramatiq.Worker]

    def stop_consumers(self, worker: object) -> None: ...  # noqa: D102 - see streams.py

    def leave_queues(self, worker: object) -> None: ...  # noqa: D102 - likewise


class Streams(Middleware):
    """Added by StreamsBroker."""

    @property
    def actor_options(self) -> set[str]:
        """The actor options that the broker adds to Dramatiq's."""
        return {*BATCH_OPTIONS, MODE, PERIOD}

    def before_process_message(self, broker: "dramatiq.Broker", message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Skip a message that another consumer has taken over."""
        if isinstance(message, StreamProxy):
            working.set(True)  # until it is settled
            if message.lease.lost:
                raise SkipMessage("taken over by another consumer")

    def after_process_message(
        self,
        broker: "dramatiq.Broker",
        message: Any,
        *,
        result: Any = None,  # noqa: ARG002 - Dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Apply the queue's retry settings to a failed message without its own.

        Runs before Retries.
        """
        if exception is not None and isinstance(message, StreamProxy) and not message.is_batch:
            settings = message.lease.settings
            defaults = {
                "max_retries": settings.max_retries,
                "min_backoff": settings.backoff_min_ms,
                "max_backoff": settings.backoff_max_ms,
            }
            actor = broker.actors.get(message.actor_name)
            own = message.options.keys() | (actor.options.keys() if actor else set())
            message.queue_defaults = tuple(
                name for name, value in defaults.items() if value is not None and name not in own
            )
            message.options.update({name: defaults[name] for name in message.queue_defaults})

    def before_worker_boot(self, broker: "dramatiq.Broker", worker: "dramatiq.Worker") -> None:
        """Register the Worker before its consumers are created."""
        cast("BrokerOfWorkers", broker).workers.append(worker)

    def before_worker_shutdown(self, broker: "dramatiq.Broker", worker: "dramatiq.Worker") -> None:
        """Stop fetching for this Worker; the process may have another."""
        cast("BrokerOfWorkers", broker).stop_consumers(worker)

    def after_worker_shutdown(self, broker: "dramatiq.Broker", worker: "dramatiq.Worker") -> None:
        """End the Worker's leases, so that unfinished messages can be taken over immediately."""
        cast("BrokerOfWorkers", broker).leave_queues(worker)
