"""Spans of real processes.

One trace from the HTTP request to the stored result, without personal data.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.telemetry.collector import Collector, Span
from tests.integration.whole.services import Services, eventually

GAD_7 = (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
PROCESSES = ("api", "index-watcher", "result-watcher", "pages")
#: A participant's answer and name, the caller's attempt id, and a key: none may be in traces or logs.
PARTICIPANT, CALLERS_KEY = "participant-canary", "key-canary"
TRACE, CALLER = "ab" * 16, "cd" * 8
#: The trace of the requests of a browser.
BROWSER_TRACE = "ef" * 16


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
    # its spans are exported when it stops, and not before
    made.environments["pages"]["OTEL_BSP_SCHEDULE_DELAY"] = "3600000"
    try:
        made.start()
        made.start("pages")
        made.await_ready(names=PROCESSES)
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


@pytest.fixture(scope="module")
def browsed(
    spans: list[Span], services: Services, collector: Collector
) -> tuple[list[Span], list[str]]:
    """Spans of the requests of a browser that opens a link and answers a page, and what must be in none of them."""
    with services.client() as client:
        invited = client.post(
            "/v1/instruments/gad-7/invitations", json={"participant": PARTICIPANT}
        )
        assert invited.is_success, invited.text
    code = invited.json()["code"]
    with httpx.Client(
        base_url=services.address("pages"),
        timeout=60,
        headers={"traceparent": f"00-{BROWSER_TRACE}-{CALLER}-01"},
    ) as browser:
        assert browser.get(f"/s/{code}?utm=query-canary").status_code == 200
        started = browser.post(f"/s/{code}")
        assert started.status_code == 303, started.text
        page = started.headers["location"]
        saved = browser.post(page, data={"g1": "3"})
        assert saved.status_code in {200, 303, 422}, saved.text
        secrets = [code, page.split("/")[2], *browser.cookies.values()]
    assert not [span for span in collector.spans() if span.service == "stanine-pages"]
    assert services.terminate("pages", 60) == 0
    eventually(
        lambda: (
            {"POST /v1/instruments/{name}/sessions", "POST /s/{code:code}"}
            <= {span.name for span in collector.spans()}
        ),
        60,
    )
    return [span for span in collector.spans() if span.trace_id == BROWSER_TRACE], secrets


def test_a_page_and_the_calls_of_the_api_for_it_are_one_trace(
    browsed: tuple[list[Span], list[str]],
) -> None:
    by_id = {span.span_id: span for span in browsed[0]}
    opening = next(
        span for span in browsed[0] if span.name == "POST /v1/instruments/{name}/sessions"
    )
    calling = by_id[opening.parent_id]
    page = by_id[calling.parent_id]
    assert [(each.service, each.kind) for each in (page, calling, opening)] == [
        ("stanine-pages", "SERVER"),
        ("stanine-pages", "CLIENT"),
        ("stanine-api", "SERVER"),
    ]
    assert page.parent_id == CALLER
    assert page.name == "POST /s/{code:code}"
    assert dict(page.attributes) == {
        "http.request.method": "POST",
        "http.route": "/s/{code:code}",
        "url.scheme": "http",
        "http.response.status_code": 303,
    }
    assert calling.name == "POST"
    assert set(calling.attributes) == {
        "http.request.method",
        "http.response.status_code",
        "server.address",
        "server.port",
    }


def test_spans_of_pages_contain_no_code_no_token_no_session_and_no_query(
    browsed: tuple[list[Span], list[str]], collector: Collector
) -> None:
    spans, secrets = browsed
    assert len(secrets) >= 3
    assert {span.name for span in spans} >= {"GET /s/{code:code}", "POST /s/{code:code}"}
    everything = collector.everything().decode(errors="replace")
    for secret in (*secrets, "query-canary", PARTICIPANT, '"g1"'):
        assert secret not in everything


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
