"""OpenTelemetry: the process's tracer, and propagation of trace context in HTTP and messages.

Set up by every composition root. The tracer is passed as an argument and the global provider is not used, so that a
test can use its own exporter. Without an exporter the tracer is a no-op that still propagates an incoming context.
"""

import importlib.metadata
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import TYPE_CHECKING

from opentelemetry import context as current
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

#: The instrumentation scope of our spans.
_SCOPE = "stanine"

#: The only supported OTLP protocol: it needs no compiled library.
_PROTOCOL = "http/protobuf"

#: HTTP methods with a name in metrics and spans; any other method is the caller's text.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
#: The name of every other method in spans.
OTHER_METHOD = "_OTHER"

_PROPAGATOR = TraceContextTextMapPropagator()


class TracingConfigError(Exception):
    """OTEL_* variables request an unavailable exporter; the message says what to install."""


def make_provider(service: str, environ: Mapping[str, str] | None = None) -> trace.TracerProvider:
    """Create the process's tracer provider from OTEL_*; without an exporter it is a no-op.

    Spans are exported over OTLP if OTEL_TRACES_EXPORTER is `otlp`, or if it is unset and OTEL_EXPORTER_OTLP_ENDPOINT
    (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) is set. OTEL_SERVICE_NAME overrides `service`. OTEL_TRACES_SAMPLER
    configures sampling. Raises TracingConfigError for another exporter or protocol, or if the package for OTLP is
    missing.
    """
    environ = os.environ if environ is None else environ
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or not _uses_otlp(environ):
        return trace.NoOpTracerProvider()
    provider = TracerProvider(
        resource=Resource.create(
            {
                "service.name": environ.get("OTEL_SERVICE_NAME") or service,
                "service.namespace": "stanine",
                "service.version": importlib.metadata.version("stanine"),
            }
        )
    )
    provider.add_span_processor(BatchSpanProcessor(_otlp_exporter(environ)))
    return provider


def stop_provider(provider: trace.TracerProvider) -> None:
    """Export the remaining spans; called at process exit."""
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def records_spans(provider: trace.TracerProvider) -> bool:
    """Return whether spans are exported; if not, only an incoming context needs propagation."""
    return isinstance(provider, TracerProvider)


def get_tracer(provider: trace.TracerProvider) -> Tracer:
    """Return the tracer of all spans of this project."""
    return provider.get_tracer(_SCOPE)


def start_server_span(
    tracer: Tracer, method: str, route: str, traceparent: str, tracestate: str = ""
) -> Span:
    """Start the span of an HTTP request, as a child of the span in its headers if there is one.

    `method` is a known one or OTHER_METHOD. `route` is the template, never the path; empty until it is known
    (`set_route`).
    """
    parent = context_of(traceparent, tracestate) if traceparent else Context()
    attributes = {"http.request.method": method, "url.scheme": "http"}
    if route:
        attributes["http.route"] = route
    return tracer.start_span(_name(method, route), parent, SpanKind.SERVER, attributes=attributes)


def set_route(span: Span, method: str, route: str) -> None:
    """Name the span of an HTTP request by its route, once that is known."""
    if span.is_recording() and route:
        span.update_name(_name(method, route))
        span.set_attribute("http.route", route)


def end_server_span(span: Span, status: int, token: "Token[Context] | None" = None) -> None:
    """End the span of an HTTP request with its response status; only 5xx counts as an error."""
    if token is not None:
        current.detach(token)
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            _set_error(span, str(status))
    span.end()


def make_current(span: Span) -> "Token[Context]":
    """Make a request's span current, for log correlation; `end_server_span` takes the token."""
    return current.attach(trace.set_span_in_context(span))


@contextmanager
def calling(tracer: Tracer, method: str, host: str, port: int) -> Iterator[Span]:
    """Open the span of a request to another process, as a child of the current span.

    Its name is the method, since an address contains codes and ids. Records the type of an exception without its text.
    """
    span = tracer.start_span(
        method,
        kind=SpanKind.CLIENT,
        attributes={"http.request.method": method, "server.address": host, "server.port": port},
    )
    try:
        yield span
    except BaseException as error:
        _set_error(span, type(error).__qualname__)
        raise
    finally:
        span.end()


def set_status(span: Span, status: int) -> None:
    """Set the status of an answer in the span of `calling`; 4xx and 5xx count as errors."""
    if span.is_recording():
        span.set_attribute("http.response.status_code", status)
        if status >= 400:
            _set_error(span, str(status))


def headers_of(span: Span) -> dict[str, str]:
    """Return the headers that continue a trace in another process; none without a trace."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, trace.set_span_in_context(span))
    return headers


@contextmanager
def sending(tracer: Tracer, queue: str, parent: Span, messages: int = 1) -> Iterator[bytes]:
    """Open the span `send QUEUE` around the call that writes a record and its message.

    Yields the traceparent for the message, or empty bytes, at no cost, if the request has no span.
    """
    if parent is trace.INVALID_SPAN:
        yield b""
        return
    span = start_producer_span(tracer, queue, parent, messages)
    try:
        yield traceparent_of(span)
    except BaseException as error:
        _set_error(span, type(error).__qualname__)
        raise
    finally:
        span.end()


def start_producer_span(tracer: Tracer, queue: str, parent: Span, messages: int = 1) -> Span:
    """Start the span `send QUEUE` for the call that writes a record and its message."""
    return tracer.start_span(
        f"send {queue}",
        trace.set_span_in_context(parent),
        SpanKind.PRODUCER,
        attributes={
            "messaging.system": "dramatiq",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": queue,
            "messaging.batch.message_count": messages,
        },
    )


def traceparent_of(span: Span) -> bytes:
    """Return the W3C traceparent for a message; empty unless the trace is sampled.

    Messages without a traceparent are smaller and can be merged.
    """
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags & TraceFlags.SAMPLED):
        return b""
    return b"00-%032x-%016x-01" % (context.trace_id, context.span_id)


def context_of(traceparent: str, tracestate: str = "") -> Context:
    """Return a context with the remote span of the header; an empty context if it is malformed."""
    return _PROPAGATOR.extract({"traceparent": traceparent, "tracestate": tracestate}, Context())


def links_to(traceparents: Iterable[str]) -> list[Link]:
    """Return a link to each distinct span in the headers; malformed ones are ignored."""
    contexts: dict[str, SpanContext] = {}
    for traceparent in dict.fromkeys(traceparents):
        context = trace.get_current_span(context_of(traceparent)).get_span_context()
        if context.is_valid:
            contexts[traceparent] = context
    return [Link(context) for context in contexts.values()]


def _name(method: str, route: str) -> str:
    return f"{'HTTP' if method == OTHER_METHOD else method} {route}".rstrip()


def _set_error(span: Span, kind: str) -> None:
    if span.is_recording():
        span.set_attribute("error.type", kind)
        span.set_status(trace.StatusCode.ERROR)


def _uses_otlp(environ: Mapping[str, str]) -> bool:
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter in ("", "otlp"):
        return exporter == "otlp" or any(
            environ.get(name)
            for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        )
    if exporter == "none":
        return False
    raise TracingConfigError(
        f"OTEL_TRACES_EXPORTER={exporter!r} is not supported; use `otlp` or `none`"
    )


def _otlp_exporter(environ: Mapping[str, str]) -> "SpanExporter":
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(name, _PROTOCOL) != _PROTOCOL:
            raise TracingConfigError(
                f"{name}={environ[name]!r} is not supported; use {_PROTOCOL!r}, to the receiver's port 4318"
            )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an optional package
    except ImportError:
        raise TracingConfigError(
            "OTEL_* ask for the OTLP exporter, which is not installed; install stanine[otlp]"
        ) from None
    return OTLPSpanExporter()
