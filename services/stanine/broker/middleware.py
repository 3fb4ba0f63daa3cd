"""The broker's own middleware: declares the options of batch actors, stops fetching at shutdown, skips what was taken over."""

from typing import TYPE_CHECKING, Any, cast

import dramatiq
from dramatiq.middleware import Middleware, SkipMessage

from stanine.broker.batch import BATCH_OPTIONS
from stanine.broker.dedupe import MODE, PERIOD
from stanine.broker.proxy import StreamProxy
from stanine.broker.state import working

if TYPE_CHECKING:
    from stanine.broker.streams import StreamsBroker


class Streams(Middleware):
    """Added by StreamsBroker itself."""

    @property
    def actor_options(self) -> set[str]:
        """The options that our actors have beside Dramatiq's."""
        return {*BATCH_OPTIONS, MODE, PERIOD}

    def before_process_message(self, broker: "dramatiq.Broker", message: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        """Skip a message that another consumer has taken over: running it here, too, would be in vain."""
        if isinstance(message, StreamProxy):
            working.set(True)  # until it is settled
            if message.membership.lost:
                raise SkipMessage("taken over by another consumer")

    def before_worker_shutdown(self, broker: "dramatiq.Broker", worker: "dramatiq.Worker") -> None:  # noqa: ARG002 - Dramatiq's signature
        """Fetch nothing more."""
        cast("StreamsBroker", broker).stop_consumers()

    def after_worker_shutdown(self, broker: "dramatiq.Broker", worker: "dramatiq.Worker") -> None:  # noqa: ARG002 - Dramatiq's signature
        """Leave the queues, so that what was not finished is free to be taken over at once."""
        cast("StreamsBroker", broker).leave_queues()
