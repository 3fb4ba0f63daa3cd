"""Telemetry across pods: what a request came to is one trace from the API's pod to a watcher's; logs name it; nobody is in it.

One release for all tests, with a receiver of traces beside it in the cluster. What single processes send: tests/integration/telemetry.
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

#: The callers' trace and span: what they begin, goes on in our pods.
TRACE, CALLER = secrets.token_hex(16), secrets.token_hex(8)
#: How a caller names a person and an attempt; the item that is answered. None may be in a trace or a log.
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
    """Return the objects of a receiver of traces: its script, its pod, its address `collector`."""
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
    """A release that sends all its spans to a receiver in its namespace, and logs every step."""
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
    """Return what the receiver was sent so far."""
    path = f"/api/v1/namespaces/{release.namespace}/services/collector:otlp/proxy/"
    return [base64.b64decode(body) for body in json.loads(run("kubectl", "get", "--raw", path))]


@contextmanager
def listening(release: Release, folder: Path) -> Iterator[None]:
    """Write what every pod says meanwhile to a file of its name. It is heard as it is said: log files may be tidied away."""
    heard: dict[str, subprocess.Popen[bytes]] = {}
    for pod in (pod for component in COMPONENTS for pod in pods(release, component)):
        with (folder / pod).open("wb") as out:
            # -v=6: kubectl says when it is connected
            heard[pod] = subprocess.Popen(
                ["kubectl", "-n", release.namespace, "attach", pod, "-v=6"], stdout=out, stderr=out
            )
    try:
        for pod in heard:
            until(
                lambda pod=pod: "101 Switching" in (folder / pod).read_text(),  # type: ignore[misc]
                20,
                f"{pod} is listened to",
            )
        yield
    finally:
        for process in heard.values():
            process.terminate()
            process.wait(10)


class RequestStatus(NamedTuple):
    """What was told of the callers' requests: the spans, and what each pod logged meanwhile, by its component."""

    spans: list[Span]
    logs: dict[str, str]


@pytest.fixture(scope="module")
def told(running: Release, tmp_path_factory: pytest.TempPathFactory) -> RequestStatus:
    """What a publication, a submission and an order came to, all of one caller's trace, and an Instrument that was applied."""
    folder = tmp_path_factory.mktemp("logs")
    with listening(running, folder):
        spans = call(running)
    logs = {
        name: "".join((folder / pod).read_text() for pod in pods(running, name))
        for name in COMPONENTS
    }
    return RequestStatus(spans, logs)


@pytest.fixture
def spans(told: RequestStatus) -> list[Span]:
    return told.spans


def call(running: Release) -> list[Span]:
    """Make the requests; return every span that came of them."""
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
        )  # something that the API logs
    running.kubectl("wait", "instrument/applied", "--for=condition=Ready", "--timeout=60s")

    def complete() -> bool:
        found = spans_of(bodies(running))
        mine = {span.name for span in found if span.trace_id == TRACE}
        turns = {span.span_id for span in found if span.name == "reconcile Instrument"}
        return {"process index", "process results"} <= mine and any(
            span.name == "process index" and span.parent_id in turns for span in found
        )

    until(complete, 30, "every span has arrived")
    return spans_of(bodies(running))


def only(spans: list[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name and span.trace_id == TRACE]
    return found


def pods(release: Release, component: str) -> dict[str, str]:
    """Return the pods of a component, and the node that each runs on."""
    found = release.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
    return {each["metadata"]["name"]: each["spec"]["nodeName"] for each in found}


def check_sender(span: Span, release: Release, component: str) -> None:
    """Check that a span names the very pod that sent it."""
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
def test_a_request_its_message_and_what_a_watchers_pod_did_are_one_trace(
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


def test_an_applied_instrument_is_one_trace_from_the_operators_turn_to_the_index(
    running: Release, spans: list[Span]
) -> None:
    turns = {span.span_id: span for span in spans if span.name == "reconcile Instrument"}
    (built,) = [span for span in spans if span.name == "process index" and span.parent_id in turns]
    turn = turns[built.parent_id]
    assert turn.trace_id == built.trace_id
    assert turn.attributes["stanine.resource.name"] == "applied"
    check_sender(turn, running, "operator")
    check_sender(built, running, "index-watcher")


def test_the_logs_of_each_pod_name_the_trace(told: RequestStatus) -> None:
    lines = {
        name: [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        for name, text in told.logs.items()
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
        only(told.spans, "POST /v1/queues/{queue}/dead:requeue").span_id,
    ) in named
    assert ("index-watcher", "index.built", only(told.spans, "process index").span_id) in named
    assert (
        "result-watcher",
        "attempts.scored",
        only(told.spans, "process results").span_id,
    ) in named


def targets(release: Release, monitor: dict[str, Any]) -> list[str]:
    """Return the pages that Prometheus would read for a monitor, as paths at the API server."""
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


def test_what_the_monitors_name_is_there_and_tells_what_the_page_describes(
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
        # a counter by label is there when it has something to tell
        wanted = {
            name
            for name, metric in described(component).items()
            if metric.type == "gauge" or not metric.labels
        }
        for path in paths:
            assert wanted <= exposed(run("kubectl", "get", "--raw", path)).keys()


def test_no_answer_person_key_or_password_is_in_a_trace_or_a_log(
    running: Release, told: RequestStatus
) -> None:
    sent = b"".join(bodies(running)).decode(errors="replace")
    assert running.namespace in sent, "the bodies are readable"
    passwords = {
        running.secret("redis", f"{user}-password")
        for user in ("api", "index-watcher", "result-watcher", "operator", "cli")
    }
    for where, text in ({"traces": sent} | told.logs).items():
        for canary in (PARTICIPANT, CALLERS_KEY, ITEM, running.key, *passwords):
            assert canary not in text, where
