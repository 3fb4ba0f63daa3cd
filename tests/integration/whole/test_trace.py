"""One trace from the HTTP request through the queue to the stored result."""

import asyncio
import hashlib
import json
from pathlib import Path

import dramatiq
import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from stanine import store
from stanine.api.app import Api
from stanine.api.settings import ApiSettings
from stanine.api.web.auth import Keyring
from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect
from stanine.index_watcher.main import assemble as assemble_index_watcher
from stanine.result_watcher.main import assemble as assemble_result_watcher
from stanine.runtime.process import Assemble, Watcher
from stanine.store.keys import Keys
from stanine.store.settings.model import Settings
from stanine.telemetry.metrics import make_registry
from stanine.telemetry.traces import get_tracer
from stanine.telemetry.tracing import Tracing

KEY = "k" * 40
GAD_7 = (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()


def watcher(
    url: str, assemble: Assemble, provider: TracerProvider
) -> tuple[StreamsBroker, dramatiq.Worker]:
    """Run a watcher's broker, actors and worker in this process."""
    keys = Keys("stanine")
    broker = StreamsBroker(url=url, namespace=keys.partition)
    tracer = get_tracer(provider)
    broker.add_middleware(Tracing(tracer))
    assemble(
        Watcher(
            connect(url), store.load_library(), keys, broker, make_registry(), tracer, Settings()
        )
    )
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    return broker, worker


def test_a_request_and_its_scoring_are_one_trace(redis_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    scopes = ["instruments:write", "attempts:write", "results:read"]
    keys.write_text(
        json.dumps(
            [
                {
                    "name": "t",
                    "sha256": hashlib.sha256(KEY.encode()).hexdigest(),
                    "scopes": scopes,
                    "instruments": ["*"],
                }
            ]
        )
    )
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    workers = [
        watcher(redis_url, assemble, provider)
        for assemble in (assemble_index_watcher, assemble_result_watcher)
    ]

    async def publish_and_submit() -> None:
        keyring = Keyring(keys)
        keyring.load()
        api = Api(
            ApiSettings(redis_url=redis_url, namespace="stanine", keys_file=keys), keyring, provider
        )
        await api.start()
        while api.unready():  # noqa: ASYNC110 - asked for, as a probe does
            await asyncio.sleep(0.02)
        headers = {"Authorization": f"Bearer {KEY}", "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(api.asgi), base_url="http://stanine", headers=headers
        ) as client:
            document = {"content": GAD_7, "headers": {"Content-Type": "application/yaml"}}
            assert (
                await client.put("/v1/instruments/gad-7?wait=10", **document)  # type: ignore[arg-type]
            ).status_code == 201
            answers = {"answers": {f"g{n}": 1 for n in range(1, 8)}, "participant": "a-canary"}
            assert (
                await client.post("/v1/instruments/gad-7/attempts?wait=10", json=answers)
            ).status_code == 200
        await api.stop()

    try:
        asyncio.run(publish_and_submit())
    finally:
        for broker, worker in workers:
            worker.stop()
            broker.close()

    spans = exporter.get_finished_spans()
    for queue, route in (
        ("index", "/v1/instruments/{name}"),
        ("results", "/v1/instruments/{name}/attempts"),
    ):
        consumer = only(spans, f"process {queue}", SpanKind.CONSUMER)
        producer = only(spans, f"send {queue}", SpanKind.PRODUCER)
        server = next(
            span
            for span in spans
            if span.kind is SpanKind.SERVER and span.name.endswith(f" {route}")
        )
        assert consumer.parent is not None
        assert producer.parent is not None
        assert consumer.parent.span_id == producer.context.span_id
        assert [link.context.span_id for link in consumer.links] == [producer.context.span_id]
        assert producer.parent.span_id == server.context.span_id
        assert f"{server.context.trace_id:032x}" == f"{consumer.context.trace_id:032x}" == "ab" * 16
    assert "a-canary" not in "".join(span.to_json() for span in spans)


def only(spans: "tuple[ReadableSpan, ...]", name: str, kind: SpanKind) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name and span.kind is kind]
    return found
