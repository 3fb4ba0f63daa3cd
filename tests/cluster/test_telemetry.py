"""Telemetry across pods: a request and its message are one trace, without personal data.

One release for all tests, with a trace receiver in its namespace. Single processes: tests/integration/telemetry.
"""

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.chart.rendering import of_kind, render
from tests.cluster.conftest import IMAGE, Release, run, until
from tests.integration.metrics_page import described, exposed
from tests.integration.telemetry.collector import Span, spans_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: The caller's trace and span, which the services continue.
TRACE, CALLER = secrets.token_hex(16), secrets.token_hex(8)
#: The caller's names of a person and an attempt, and the answered item; none may occur in a trace or a log.
PARTICIPANT, CALLERS_KEY, ITEM = "participant-canary", "key-canary", "item_canary"
COMPONENTS = ("api", "index-watcher", "result-watcher", "operator")

INSTRUMENT = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "traced"},
    "spec": {
        "title": "Traced",
        "responseSets": [
            {
                "name": "yes_no",
                "options": [{"value": value, "label": f"{value}"} for value in (1, 2)],
            }
        ],
        "items": [{"id": ITEM, "text": "Is it?", "responses": "yes_no"}],
        "scales": [{"id": "all", "items": [ITEM], "score": "Sum"}],
    },
}


def receiver() -> dict[str, object]:
    """Return the objects of a trace receiver: its script, its pod, its Service `collector`."""
    name = {"name": "collector", "labels": {"app": "collector"}}
    container = {
        "name": "collector",
        "image": IMAGE,
        "command": ["python", "/collector/collector.py"],
        "ports": [{"name": "otlp", "containerPort": 4318}],
        "readinessProbe": {"httpGet": {"port": "otlp"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "script", "mountPath": "/collector"}],
    }
    pod = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "script", "configMap": {"name": "collector"}}],
    }
    script = Path(__file__).with_name("collector.py").read_text()
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": name,
                "data": {"collector.py": script},
            },
            {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": pod},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": name,
                "spec": {"selector": name["labels"], "ports": [{"name": "otlp", "port": 4318}]},
            },
        ],
    }


@pytest.fixture(scope="module")
def running() -> Iterator[Release]:
    """A release that sends all spans to a receiver in its namespace and logs at debug level."""
    namespace = f"stanine-test-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", namespace)
    run("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    release = Release("helm", namespace)
    try:
        release.apply(receiver())
        release.put(
            {
                "logLevel": "DEBUG",
                "pods": {"extraEnv": {"OTEL_BSP_SCHEDULE_DELAY": "200"}},
                "otel": {
                    "enabled": True,
                    "endpoint": "http://collector:4318",
                    "sampler": "parentbased_always_on",
                    "samplerArgument": "",
                    "resourceAttributes": {"deployment.environment": "tests"},
                },
            }
        )
        release.kubectl("wait", "pod/collector", "--for=condition=Ready", "--timeout=60s")
        yield release
        release.helm("uninstall", release.name, check=False)
    finally:
        run("kubectl", "delete", "namespace", namespace, "--wait=false")


def bodies(release: Release) -> list[bytes]:
    """Return the request bodies received so far."""
    path = f"/api/v1/namespaces/{release.namespace}/services/collector:otlp/proxy/"
    return [base64.b64decode(body) for body in json.loads(run("kubectl", "get", "--raw", path))]


@contextmanager
def listening(release: Release, folder: Path) -> Iterator[None]:
    """Write each pod's live output to a file of its name; log files may be deleted."""
    attached: dict[str, subprocess.Popen[bytes]] = {}
    for pod in (pod for component in COMPONENTS for pod in pods(release, component)):
        with (folder / pod).open("wb") as out:
            # -v=6: kubectl prints when it is connected
            attached[pod] = subprocess.Popen(
                ["kubectl", "-n", release.namespace, "attach", pod, "-v=6"], stdout=out, stderr=out
            )
    try:
        for pod in attached:
            until(
                lambda pod=pod: "101 Switching" in (folder / pod).read_text(),  # type: ignore[misc]
                20,
                f"{pod} is attached",
            )
        yield
    finally:
        for process in attached.values():
            process.terminate()
            process.wait(10)


class Telemetry(NamedTuple):
    """The recorded telemetry of the caller's requests: spans, and the pods' logs by component."""

    spans: list[Span]
    logs: dict[str, str]


@pytest.fixture(scope="module")
def telemetry(running: Release, tmp_path_factory: pytest.TempPathFactory) -> Telemetry:
    """Telemetry of a caller's trace (publish, submit, requeue) and of an applied Instrument."""
    folder = tmp_path_factory.mktemp("logs")
    with listening(running, folder):
        spans = call(running)
    logs = {
        name: "".join((folder / pod).read_text() for pod in pods(running, name))
        for name in COMPONENTS
    }
    return Telemetry(spans, logs)


@pytest.fixture
def spans(telemetry: Telemetry) -> list[Span]:
    return telemetry.spans


def call(running: Release) -> list[Span]:
    """Send the requests; return all resulting spans."""
    running.apply({**INSTRUMENT, "metadata": {"name": "applied"}})
    headers = {"authorization": f"Bearer {running.key}", "traceparent": f"00-{TRACE}-{CALLER}-01"}
    with httpx.Client(base_url=running.url, headers=headers, timeout=40) as client:
        assert client.put("/v1/instruments/traced?wait=20", json=INSTRUMENT).status_code == 201
        attempt = {"key": CALLERS_KEY, "participant": PARTICIPANT, "answers": {ITEM: 2}}
        answer = client.post("/v1/instruments/traced/attempts?wait=20", json=attempt)
        assert (answer.status_code, answer.json()["scales"]["all"]["raw"]) == (200, 2.0)
        assert client.get(f"/v1/participants/{PARTICIPANT}/results").status_code == 200
        assert (
            client.post("/v1/queues/results/dead:requeue", json={"all": True}).status_code == 200
        )  # a request that the API logs
    running.kubectl("wait", "instrument/applied", "--for=condition=Ready", "--timeout=60s")

    def complete() -> bool:
        found = spans_of(bodies(running))
        mine = {span.name for span in found if span.trace_id == TRACE}
        reconciles = {span.span_id for span in found if span.name == "reconcile Instrument"}
        return {"process index", "process results"} <= mine and any(
            span.name == "process index" and span.parent_id in reconciles for span in found
        )

    until(complete, 30, "every span has arrived")
    return spans_of(bodies(running))


def only(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name and span.trace_id == TRACE]
    return found


def pods(release: Release, component: str) -> dict[str, str]:
    """Return a component's pods with the node of each."""
    found = release.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
    return {each["metadata"]["name"]: each["spec"]["nodeName"] for each in found}


def check_sender(span: Span, release: Release, component: str) -> None:
    """Check that a span names the pod that sent it."""
    assert span.service == f"stanine-{component}"
    assert {
        "service.namespace": "stanine",
        "k8s.namespace.name": release.namespace,
        "deployment.environment": "tests",
    }.items() <= span.resource.items()
    assert pods(release, component)[span.resource["k8s.pod.name"]] == span.resource["k8s.node.name"]


@pytest.mark.parametrize(
    ("request_name", "queue", "watcher"),
    [
        ("PUT /v1/instruments/{name}", "index", "index-watcher"),
        ("POST /v1/instruments/{name}/attempts", "results", "result-watcher"),
    ],
)
def test_a_request_its_message_and_the_watchers_work_are_one_trace(
    running: Release, spans: list[Span], request_name: str, queue: str, watcher: str
) -> None:
    served, sent, processed = (
        only(spans, request_name),
        only(spans, f"send {queue}"),
        only(spans, f"process {queue}"),
    )
    assert (served.kind, sent.kind, processed.kind) == ("SERVER", "PRODUCER", "CONSUMER")
    assert (served.parent_id, sent.parent_id, processed.parent_id) == (
        CALLER,
        served.span_id,
        sent.span_id,
    )
    assert processed.links == (sent.span_id,)
    check_sender(served, running, "api")
    assert sent.resource == served.resource
    check_sender(processed, running, watcher)
    assert not any(span.is_error for span in (served, sent, processed))


def test_an_applied_instrument_is_one_trace_from_reconciliation_to_index(
    running: Release, spans: list[Span]
) -> None:
    reconciles = {span.span_id: span for span in spans if span.name == "reconcile Instrument"}
    (built,) = [
        span for span in spans if span.name == "process index" and span.parent_id in reconciles
    ]
    reconcile = reconciles[built.parent_id]
    assert reconcile.trace_id == built.trace_id
    assert reconcile.attributes["stanine.resource.name"] == "applied"
    check_sender(reconcile, running, "operator")
    check_sender(built, running, "index-watcher")


def test_the_logs_of_each_pod_name_the_trace(telemetry: Telemetry) -> None:
    lines = {
        name: [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        for name, text in telemetry.logs.items()
    }
    named = {
        (name, line["event"], line["span_id"])
        for name in lines
        for line in lines[name]
        if line.get("trace_id") == TRACE
    }
    assert (
        "api",
        "queue.order_carried_out",
        only(telemetry.spans, "POST /v1/queues/{queue}/dead:requeue").span_id,
    ) in named
    assert ("index-watcher", "index.built", only(telemetry.spans, "process index").span_id) in named
    assert (
        "result-watcher",
        "attempts.scored",
        only(telemetry.spans, "process results").span_id,
    ) in named


def targets(release: Release, monitor: dict[str, Any]) -> list[str]:
    """Return the metrics pages of a monitor's targets as paths at the API server."""
    selector = ",".join(
        f"{name}={value}" for name, value in monitor["spec"]["selector"]["matchLabels"].items()
    )
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    if monitor["kind"] == "ServiceMonitor":
        (service,) = release.get("services", "-l", selector)["items"]
        (port,) = [
            each["targetPort"]
            for each in service["spec"]["ports"]
            if each["name"] == endpoint["port"]
        ]
        selector = ",".join(
            f"{name}={value}" for name, value in service["spec"]["selector"].items()
        )
    else:
        port = endpoint["port"]
    return [
        f"/api/v1/namespaces/{release.namespace}/pods/{pod['metadata']['name']}:{each['containerPort']}/proxy{endpoint['path']}"
        for pod in release.get("pods", "-l", selector)["items"]
        for container in pod["spec"]["containers"]
        for each in container["ports"]
        if each["name"] == port
    ]


def test_the_monitors_targets_expose_the_documented_metrics(
    running: Release, spans: list[Span]
) -> None:
    objects = render(
        {"monitoring": {"enabled": True}}, release=running.name, namespace=running.namespace
    )
    monitors = of_kind(objects, "ServiceMonitor", "PodMonitor")
    assert monitors.keys() == {f"{running.name}-{name}" for name in COMPONENTS}
    for component in COMPONENTS:
        paths = targets(running, monitors[f"{running.name}-{component}"])
        assert len(paths) == len(pods(running, component)) > 0
        # a labelled counter is absent before its first increment
        wanted = {
            name
            for name, metric in described(component).items()
            if metric.type == "gauge" or not metric.labels
        }
        for path in paths:
            assert wanted <= exposed(run("kubectl", "get", "--raw", path)).keys()


def test_no_answer_person_key_or_password_is_in_a_trace_or_a_log(
    running: Release, telemetry: Telemetry
) -> None:
    sent = b"".join(bodies(running)).decode(errors="replace")
    assert running.namespace in sent, "the bodies are readable"
    passwords = {
        running.secret("redis", f"{user}-password")
        for user in ("api", "index-watcher", "result-watcher", "operator", "cli")
    }
    for where, text in ({"traces": sent} | telemetry.logs).items():
        for canary in (PARTICIPANT, CALLERS_KEY, ITEM, running.key, *passwords):
            assert canary not in text, where
