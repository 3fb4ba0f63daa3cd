"""Dramatiq middleware: one span `process QUEUE` per message or batch, linked to its senders' spans.

Added by the watchers; works with any Dramatiq broker. The sender's W3C traceparent is read from the message options:
`traceparents`, a list, for a batch, or `traceparent` for a plain message. If there is exactly one, it also becomes the
parent, so that a single trace extends from sender to result.
"""

import threading
from contextvars import Token
from typing import Any

import dramatiq
from opentelemetry import context as current
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from .traces import context_of, links_to

#: Links per span (OpenTelemetry's default limit); more traceparents need not be parsed.
MAX_LINKS = 128


class Tracing(dramatiq.Middleware):
    """Opens a CONSUMER span for each message and makes it current while the actor runs."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        # One worker thread calls before_process and after_process of a message.
        self._local = threading.local()

    def before_process_message(
        self, _broker: dramatiq.Broker, message: "dramatiq.MessageProxy"
    ) -> None:
        """Start the span and attach its context."""
        traceparents = _traceparents(message.options)
        parent = context_of(traceparents[0]) if len(traceparents) == 1 else Context()
        span = self._tracer.start_span(
            f"process {message.queue_name}",
            parent,
            SpanKind.CONSUMER,
            attributes={
                "messaging.system": "dramatiq",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": message.queue_name,
                "messaging.message.id": message.message_id,
                "dramatiq.actor": message.actor_name,
            },
            links=links_to(traceparents[:MAX_LINKS]),
        )
        if entries := getattr(message, "entry_ids", None):  # a batch of `stanine.broker`
            span.set_attribute("messaging.batch.message_count", len(entries))
        self._local.open = (span, current.attach(trace.set_span_in_context(span, parent)))

    def after_process_message(
        self,
        _broker: dramatiq.Broker,
        _message: "dramatiq.MessageProxy",
        *,
        result: Any = None,  # noqa: ARG002 - Dramatiq passes it by name
        exception: BaseException | None = None,
    ) -> None:
        """End the span.

        Only the type of an exception is recorded: its text may contain user input.
        """
        self._end(exception)

    def after_skip_message(
        self, _broker: dramatiq.Broker, _message: "dramatiq.MessageProxy"
    ) -> None:
        """End the span of a message that another middleware skipped."""
        self._end(None)

    def _end(self, exception: BaseException | None) -> None:
        opened: tuple[Span, Token[Context]] | None = getattr(self._local, "open", None)
        if opened is None:
            return
        self._local.open = None
        span, token = opened
        if exception is not None:
            span.set_attribute("error.type", type(exception).__qualname__)
            span.set_status(StatusCode.ERROR)
        span.end()
        current.detach(token)


def _traceparents(options: dict[str, Any]) -> list[str]:
    many = options.get("traceparents")
    if many:
        return list(dict.fromkeys(many))
    one = options.get("traceparent")
    return [one] if one else []
