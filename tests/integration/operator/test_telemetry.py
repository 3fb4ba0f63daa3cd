"""The operator's spans, logs and metrics are as documented in docs/telemetry.md."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from tests.conftest import Server
from tests.integration.metrics_page import described, exposed, ours
from tests.integration.operator.harness import (
    Api,
    OperatorProcess,
    queue,
    redis_config,
    resource,
    secret,
)
from tests.integration.telemetry.collector import Collector
from tests.integration.whole.services import eventually

GAD_7 = yaml.safe_load(
    (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_text()
)
PASSWORD = "password-canary"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.stop()


@pytest.fixture
def reported(
    api: Api,
    namespace: str,
    own_server: Callable[..., Server],
    start_operator: Callable[..., OperatorProcess],
    collector: Collector,
) -> OperatorProcess:
    """An operator that has reconciled a resource of each kind, one of them invalid."""
    server = own_server("--requirepass", PASSWORD)
    operator = start_operator("--namespace", namespace, **collector.environment())
    credentials: dict[str, Any] = {
        "connection": {"passwordSecretRef": {"name": "redis", "key": "password"}}
    }
    api.apply(
        secret(namespace, "redis", password=PASSWORD),
        redis_config(namespace, server.port, **credentials),
        queue(namespace, "index"),
        queue(namespace, "astray", redisConfigRef={"name": "nowhere"}),
        resource("Instrument", namespace, "gad-7", GAD_7["spec"]),
    )
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "index")
    api.wait("Instrument", namespace, "gad-7", "Published")
    api.wait("Queue", namespace, "astray", status="False")
    return operator


def test_reconciliations_are_spans_logs_are_json_and_neither_contains_a_password(
    reported: OperatorProcess, collector: Collector
) -> None:
    names = {f"reconcile {kind}" for kind in ("RedisConfig", "Queue", "Instrument")}
    eventually(lambda: names <= {span.name for span in collector.spans()}, 60)
    spans = [span for span in collector.spans() if span.name in names]
    assert {span.service for span in spans} == {"stanine-operator"}
    assert {key for span in spans for key in span.attributes} == {
        "k8s.namespace.name", "stanine.resource.kind", "stanine.resource.name", "stanine.outcome",
    }  # fmt: skip
    lines = reported.lines()
    assert all(line.get("event") for line in lines), [line for line in lines if "raw" in line]
    traced = {
        line["trace_id"]
        for line in lines
        if line["event"] in ("resource.ready", "reconcile.failed")
    }
    assert traced <= {span.trace_id for span in collector.spans()}
    assert traced
    assert PASSWORD not in reported.log.read_text()
    assert PASSWORD.encode() not in collector.everything()


def test_the_index_message_belongs_to_the_trace_of_the_publishing_reconciliation(
    reported: OperatorProcess, collector: Collector, api: Api, namespace: str
) -> None:
    eventually(lambda: any(span.name == "reconcile Instrument" for span in collector.spans()), 60)
    port = api.get("RedisConfig", namespace, "default")["spec"]["connection"]["port"]
    client: Any = redis.Redis(port=port, password=PASSWORD)
    (entry,) = client.xrange("stanine:{p0}:q:index:ready")
    traceparent = entry[1][b"t"].decode()
    client.close()
    eventually(
        lambda: (
            traceparent[36:52]
            in {span.span_id for span in collector.spans() if span.name == "reconcile Instrument"}
        ),
        60,
    )


def test_metrics_match_the_documentation(reported: OperatorProcess) -> None:
    found, documented = exposed(reported.probe("/metrics")[1]), described("operator")
    # two counters have no series here, and so no labels: no event was dropped and no watch missed anything
    silent = {
        name: metric
        for name, metric in ours(found).items()
        if metric.type == "counter" and not metric.labels
    }
    assert silent.keys() <= {
        "stanine_operator_events_dropped_total",
        "stanine_operator_stale_resources_total",
    }
    assert ours(found) == ours(documented) | silent
    assert documented.keys() <= found.keys()
