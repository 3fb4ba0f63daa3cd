"""Spans of a request and its message, and their connection to the processing of the message."""

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Message, MessageProxy
from dramatiq.brokers.stub import StubBroker
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from tests.conftest import Server
from tests.integration.api.serving import Serving, document

from stanine.messages import SCORE_ATTEMPTS
from stanine.telemetry.traces import get_tracer
from stanine.telemetry.tracing import Tracing

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def traced(
    valkey: Server, keys_file: Path, provider: TracerProvider, exporter: InMemorySpanExporter
) -> Iterator[Serving]:
    serving = Serving(valkey.url, f"api-{secrets.token_hex(4)}", keys_file, provider)
    try:
        serving.until_ready().publish(document())
        finished(exporter)
        yield serving
    finally:
        serving.stop()


def messages(api: Serving) -> list[dict[bytes, bytes]]:
    stream = f"{api.keys.partition}:q:{SCORE_ATTEMPTS.queue}:ready"
    entries: list[tuple[bytes, dict[bytes, bytes]]] = api.redis.xrange(stream)  # type: ignore[assignment]
    return [fields for _, fields in entries]


def by_kind(spans: tuple[ReadableSpan, ...], kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in spans if span.kind is kind]


def finished(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    """Return the spans when a request's span is among them: it ends just after the answer."""
    until = time.monotonic() + 5
    while not by_kind(exporter.get_finished_spans(), SpanKind.SERVER) and time.monotonic() < until:
        time.sleep(0.01)
    return exporter.get_finished_spans()


def test_a_request_its_message_and_its_processing_are_one_trace(
    traced: Serving, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    exporter.clear()
    answer = traced.http().post(
        "/v1/instruments/a-mood/attempts?wait=0",
        json={"answers": {"i1": 1}, "participant": "canary"},
        headers={"traceparent": CALLER},
    )
    assert answer.status_code == 202
    (message,) = messages(traced)
    middleware = Tracing(get_tracer(provider))
    proxy = MessageProxy(
        Message(
            SCORE_ATTEMPTS.queue,
            SCORE_ATTEMPTS.actor,
            (),
            {"attempts": message[b"i"]},
            {"traceparents": [message[b"t"].decode()]},
        )
    )
    middleware.before_process_message(StubBroker(middleware=[]), proxy)
    middleware.after_process_message(StubBroker(middleware=[]), proxy)
    spans = finished(exporter)
    (server,), (producer,), (consumer,) = (
        by_kind(spans, kind) for kind in (SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER)
    )
    assert {format(span.context.trace_id, "032x") for span in spans} == {CALLER[3:35]}
    assert producer.parent is not None
    assert producer.parent.span_id == server.context.span_id
    assert consumer.parent is not None
    assert consumer.parent.span_id == producer.context.span_id
    assert dict(server.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/instruments/{name}/attempts",
        "url.scheme": "http",
        "http.response.status_code": 202,
    }
    assert server.name == "POST /v1/instruments/{name}/attempts"
    assert "canary" not in json.dumps([span.to_json() for span in spans])


def test_each_group_of_a_bulk_request_is_in_its_trace(
    traced: Serving, exporter: InMemorySpanExporter
) -> None:
    exporter.clear()
    lines = "".join(f'{{"key":"k{number}","answers":{{"i1":1}}}}\n' for number in range(10))
    traced.http().post(
        "/v1/instruments/a-mood/attempts:bulk",
        content=lines,
        headers={"content-type": "application/x-ndjson"},
    )
    spans = finished(exporter)
    (server,) = by_kind(spans, SpanKind.SERVER)
    producers = by_kind(spans, SpanKind.PRODUCER)
    sent: list[Any] = [
        (span.attributes or {})["messaging.batch.message_count"] for span in producers
    ]
    assert sum(sent) == 10
    assert {span.context.trace_id for span in producers} == {server.context.trace_id}
    assert all(
        message[b"t"][3:35].decode() == format(server.context.trace_id, "032x")
        for message in messages(traced)
    )


def test_probes_have_no_spans(traced: Serving, exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert traced.http().get(path).status_code == 200
    traced.submit(answers={"i1": 1})
    assert [span.name for span in finished(exporter)] == [
        "send results",
        "POST /v1/instruments/{name}/attempts",
    ]


def test_without_an_exporter_only_the_trace_context_is_forwarded(
    mood: Serving,
) -> None:
    mood.submit(answers={"i1": 1})
    mood.http().post(
        "/v1/instruments/a-mood/attempts",
        json={"answers": {"i1": 1}},
        headers={"traceparent": CALLER},
    )
    assert [message.get(b"t") for message in messages(mood)] == [None, CALLER.encode()]
