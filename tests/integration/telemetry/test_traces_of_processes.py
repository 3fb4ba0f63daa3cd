"""Spans of real processes.

One trace from the HTTP request to the stored result, without personal data.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.telemetry.collector import Collector, Span
from tests.integration.whole.services import Services, eventually

GAD_7 = (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
PROCESSES = ("api", "index-watcher", "result-watcher")
#: A participant's answer and name, the caller's attempt id, and a key: none may be in traces or logs.
PARTICIPANT, CALLERS_KEY = "participant-canary", "key-canary"
TRACE, CALLER = "ab" * 16, "cd" * 8


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Services]:
    made = Services(tmp_path_factory.mktemp("traced"))
    for name in PROCESSES:
        made.environments[name] = collector.environment(
            STANINE_LOG_LEVEL="DEBUG",
            OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=a-pod",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=tests",
        )
    try:
        made.start()
        made.await_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def spans(services: Services, collector: Collector) -> list[Span]:
    """Spans of one publish and one submission, both within the caller's trace."""
    with services.client() as client:
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        published = client.put(
            "/v1/instruments/gad-7?wait=20",
            content=GAD_7,
            headers=headers | {"Content-Type": "application/yaml"},
        )
        assert published.status_code == 201
        attempt = {
            "key": CALLERS_KEY,
            "participant": PARTICIPANT,
            "answers": {f"g{n}": 3 for n in range(1, 8)},
        }
        answer = client.post(
            "/v1/instruments/gad-7/attempts?wait=20", json=attempt, headers=headers
        )
        assert answer.json()["scales"]["anxiety"]["raw"] == 21.0
        client.get(f"/v1/participants/{PARTICIPANT}/results", headers=headers)
        client.post("/v1/queues/results:pause", headers=headers)  # logged by the API
        client.post("/v1/queues/results:resume")
    eventually(
        lambda: len([span for span in collector.spans() if span.kind == "CONSUMER"]) >= 2, 20
    )
    eventually(
        lambda: (
            len(
                [
                    span
                    for span in collector.spans()
                    if span.kind == "SERVER" and span.trace_id == TRACE
                ]
            )
            >= 4
        ),
        20,
    )
    return collector.spans()


def only(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name and span.trace_id == TRACE]
    return found


@pytest.mark.parametrize(
    ("request_name", "queue", "watcher"),
    [
        ("PUT /v1/instruments/{name}", "index", "stanine-index-watcher"),
        ("POST /v1/instruments/{name}/attempts", "results", "stanine-result-watcher"),
    ],
)
def test_a_request_its_message_and_its_scoring_are_one_trace(
    spans: list[Span], request_name: str, queue: str, watcher: str
) -> None:
    served, sent, processed = (
        only(spans, request_name),
        only(spans, f"send {queue}"),
        only(spans, f"process {queue}"),
    )
    assert [(each.service, each.kind) for each in (served, sent, processed)] == [
        ("stanine-api", "SERVER"), ("stanine-api", "PRODUCER"), (watcher, "CONSUMER"),
    ]  # fmt: skip
    assert (served.parent_id, sent.parent_id, processed.parent_id) == (
        CALLER,
        served.span_id,
        sent.span_id,
    )
    assert processed.links == (sent.span_id,)


def test_names_and_attributes_are_those_of_the_conventions(
    spans: list[Span], collector: Collector
) -> None:
    assert dict(only(spans, "POST /v1/instruments/{name}/attempts").attributes) == {
        "http.request.method": "POST", "http.route": "/v1/instruments/{name}/attempts", "url.scheme": "http",
        "http.response.status_code": 200,
    }  # fmt: skip
    common = {
        "messaging.system": "dramatiq",
        "messaging.destination.name": "results",
        "messaging.batch.message_count": 1,
    }
    assert dict(only(spans, "send results").attributes) == common | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    processed = dict(only(spans, "process results").attributes)
    assert processed.pop("messaging.message.id")
    assert processed == common | {
        "messaging.operation.name": "process", "messaging.operation.type": "process", "dramatiq.actor": "score_attempts",
    }  # fmt: skip
    for name in PROCESSES:
        resource = collector.resources[f"stanine-{name}"]
        assert (resource["service.namespace"], resource["k8s.pod.name"]) == ("stanine", "a-pod")
    assert all(headers.get("x-tenant") == "tests" for headers in collector.headers)


def test_traces_and_logs_contain_no_personal_data(
    spans: list[Span], collector: Collector, services: Services
) -> None:
    sent = collector.everything()
    assert b"send results" in sent
    texts = [sent.decode(errors="replace"), *(services.log(name) for name in PROCESSES)]
    for text in texts:
        for canary in (PARTICIPANT, CALLERS_KEY, "a-key-of-the-tests", "g1"):
            assert canary not in text


def test_every_log_line_is_json_and_carries_its_trace(
    spans: list[Span], services: Services
) -> None:
    lines = {
        name: [json.loads(line) for line in services.log(name).splitlines()] for name in PROCESSES
    }
    assert all(
        line["service"] == name and line["event"] and line["level"] and line["timestamp"]
        for name in PROCESSES
        for line in lines[name]
    )
    traced = {
        (name, line["event"], line["span_id"])
        for name in PROCESSES
        for line in lines[name]
        if line.get("trace_id") == TRACE
    }
    assert ("result-watcher", "attempts.scored", only(spans, "process results").span_id) in traced
    assert ("index-watcher", "index.built", only(spans, "process index").span_id) in traced
    assert (
        "api",
        "queue.state_set",
        only(spans, "POST /v1/queues/{queue}:pause").span_id,
    ) in traced
