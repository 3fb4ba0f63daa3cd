import pytest
from dramatiq import Message, MessageProxy
from dramatiq.brokers.stub import StubBroker
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from stanine.telemetry.traces import (
    TracingConfigError,
    end_server_span,
    get_tracer,
    make_provider,
    start_producer_span,
    start_server_span,
    traceparent_of,
)
from stanine.telemetry.tracing import Tracing

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def recording(sampler: Sampler | None = None) -> tuple[trace.Tracer, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return get_tracer(provider), exporter


def proxy(**options: object) -> MessageProxy:
    return MessageProxy(
        Message(queue_name="results", actor_name="score", args=(), kwargs={}, options=options)
    )


def process(
    middleware: Tracing, message: MessageProxy, exception: BaseException | None = None
) -> trace.SpanContext:
    broker = StubBroker(middleware=[])
    middleware.before_process_message(broker, message)
    inside = trace.get_current_span().get_span_context()
    middleware.after_process_message(broker, message, exception=exception)
    return inside


def test_a_request_its_message_and_its_processing_are_one_trace() -> None:
    tracer, exporter = recording()
    server = start_server_span(tracer, "POST", "/v1/instruments/{name}/attempts", CALLER)
    producer = start_producer_span(tracer, "results", server)
    traceparent = traceparent_of(producer).decode()
    producer.end()
    end_server_span(server, 202)
    process(Tracing(tracer), proxy(traceparent=traceparent))
    sent, served, processed = exporter.get_finished_spans()
    assert [span.kind for span in (served, sent, processed)] == [
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
    ]
    assert {format(span.context.trace_id, "032x") for span in (served, sent, processed)} == {
        CALLER[3:35]
    }
    assert served.parent is not None
    assert format(served.parent.span_id, "016x") == CALLER[36:52]
    assert sent.parent is not None
    assert sent.parent.span_id == served.context.span_id
    assert processed.parent is not None
    assert processed.parent.span_id == sent.context.span_id
    assert [link.context.span_id for link in processed.links] == [sent.context.span_id]
    assert (sent.name, processed.name) == ("send results", "process results")


def test_a_batch_is_linked_to_all_its_senders_and_a_child_of_none() -> None:
    tracer, exporter = recording()
    senders = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 6)]
    process(Tracing(tracer), proxy(traceparents=[*senders, senders[0], "not a traceparent"]))
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert sorted(link.context.trace_id for link in span.links) == [1, 2, 3, 4, 5]


def test_the_span_is_current_only_while_the_actor_runs() -> None:
    tracer, exporter = recording()
    inside = process(Tracing(tracer), proxy())
    (span,) = exporter.get_finished_spans()
    assert inside.span_id == span.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_failed_message_records_the_error_type_without_its_text() -> None:
    tracer, exporter = recording()
    process(Tracing(tracer), proxy(), exception=ValueError("the answer was: mostly"))
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert "mostly" not in span.to_json()


def test_unsampled_traces_add_nothing_to_messages() -> None:
    tracer, exporter = recording(ALWAYS_OFF)
    span = start_server_span(tracer, "POST", "/v1/x", "")
    assert traceparent_of(start_producer_span(tracer, "results", span)) == b""
    assert exporter.get_finished_spans() == ()


def test_without_an_exporter_the_callers_trace_is_propagated() -> None:
    tracer = get_tracer(make_provider("api", {}))
    span = start_server_span(tracer, "POST", "/v1/x", CALLER)
    assert traceparent_of(start_producer_span(tracer, "results", span)).decode() == CALLER
    assert traceparent_of(start_server_span(tracer, "POST", "/v1/x", "")) == b""


@given(st.text(max_size=80))
def test_malformed_headers_do_not_break_a_request(header: str) -> None:
    end_server_span(
        start_server_span(get_tracer(make_provider("api", {})), "GET", "/v1/x", header), 200
    )


@pytest.mark.parametrize(
    ("environ", "exports"),
    [
        ({}, False),
        (
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
            False,
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
    ],
)
def test_spans_are_exported_only_if_configured(environ: dict[str, str], exports: bool) -> None:
    provider = make_provider("api", environ)
    assert isinstance(provider, TracerProvider) == exports
    if isinstance(provider, TracerProvider):
        provider.shutdown()


def test_an_unsupported_protocol_is_rejected_with_a_remedy() -> None:
    with pytest.raises(TracingConfigError, match="use 'http/protobuf'"):
        make_provider(
            "api",
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
        )


def test_an_unknown_exporter_is_rejected_with_a_remedy() -> None:
    with pytest.raises(TracingConfigError, match="use `otlp` or `none`"):
        make_provider("api", {"OTEL_TRACES_EXPORTER": "zipkin"})
