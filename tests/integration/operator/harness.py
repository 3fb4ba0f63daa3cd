"""A Kubernetes API to test against, and the operator as a real process. Used by the fixtures.

Waiting always compares `observedGeneration`: Ready of an earlier generation proves nothing.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.integration.kube_client import BlockingClient

from stanine_operator.kubernetes.client import MERGE_PATCH, ClusterError

ROOT = Path(__file__).parents[3]
DEFINITIONS = ROOT / "charts" / "stanine" / "crds"
GROUP = "/apis/stanine.dev/v1alpha1"
#: Content type of server-side apply.
APPLY_PATCH = "application/apply-patch+yaml"
#: API paths by kind.
_PLACES = {
    "RedisConfig": (GROUP, "redisconfigs"),
    "Queue": (GROUP, "queues"),
    "Instrument": (GROUP, "instruments"),
    "Secret": ("/api/v1", "secrets"),
    "Event": ("/api/v1", "events"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
}
#: Seconds that an effect may take; the machine is shared.
PATIENCE = 60.0
Object = dict[str, Any]


class Refused(Exception):  # noqa: N818 - says what happened
    """The API server rejected a request (status 0: no response); with its message."""

    def __init__(self, error: ClusterError) -> None:
        super().__init__(f"{error}: {error.answer[:500]}")
        self.status = error.status


class Api:
    """An administrator's client of the API server. Thread-safe."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._client = BlockingClient(kubeconfig)

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        **query: str,
    ) -> Object:
        """Send one request. Raises Refused."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self._client.call(method, path, body, content_type=content, query=query)
            except ClusterError as error:
                if error.status != 503 or time.monotonic() > deadline:
                    raise Refused(error) from None
            time.sleep(0.2)  # it has just started and does not serve all paths yet

    def make_namespace(self, name: str) -> None:
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def apply(self, *objects: Object, manager: str = "test") -> list[Object]:
        """Apply an object as `kubectl apply --server-side` does."""
        return [
            self.request(
                "PATCH", self._path(each), each, APPLY_PATCH, fieldManager=manager, force="true"
            )
            for each in objects
        ]

    def create(self, body: Object) -> Object:
        return self.request("POST", self._path(body).rpartition("/")[0], body)

    def create_many(self, objects: Sequence[Object], threads: int = 8) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self.create, objects))

    def get(self, kind: str, namespace: str, name: str) -> Object:
        return self.request("GET", path_of(kind, namespace, name))

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return self.get(kind, namespace, name)
        except Refused as error:
            if error.status != 404:
                raise
            return None

    def list_all(self, kind: str, namespace: str) -> list[Object]:
        found: list[Object] = self.request("GET", path_of(kind, namespace)).get("items", [])
        return found

    def patch(
        self, kind: str, namespace: str, name: str, body: Object, *, part: str = ""
    ) -> Object:
        """Merge a patch into an object, or into its status (`part`)."""
        return self.request(
            "PATCH",
            path_of(kind, namespace, name) + (f"/{part}" if part else ""),
            body,
            MERGE_PATCH,
        )

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.request("DELETE", path_of(kind, namespace, name))

    def delete_all(self, kind: str, namespace: str, threads: int = 8) -> None:
        """Delete all objects of a kind, also those whose operator is gone."""

        def free(each: Object) -> None:
            if each["metadata"].get("finalizers"):
                self.patch(
                    kind, namespace, each["metadata"]["name"], {"metadata": {"finalizers": None}}
                )

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(free, self.list_all(kind, namespace)))
        self.request("DELETE", path_of(kind, namespace))

    def events(self, namespace: str, name: str) -> list[tuple[str, str, str]]:
        """Return (type, reason, message) of the events of an object, once per count."""
        return [
            (event["type"], event["reason"], event["message"])
            for event in self.list_all("Event", namespace)
            if event["involvedObject"]["name"] == name
            for _ in range(event.get("count") or 1)
        ]

    def condition(
        self, kind: str, namespace: str, name: str, condition: str = "Ready"
    ) -> Object | None:
        """Return a condition of the newest generation."""
        found = self.find(kind, namespace, name)
        if found is None:
            return None
        generation = found["metadata"]["generation"]
        for each in found.get("status", {}).get("conditions", []):
            if each["type"] == condition and each.get("observedGeneration") == generation:
                checked: Object = each
                return checked
        return None

    def wait(
        self, kind: str, namespace: str, name: str, condition: str = "Ready", status: str = "True", reason: str | None = None,
        within: float = PATIENCE,
    ) -> Object:  # fmt: skip
        """Wait until a condition of the newest generation has this status; return the object."""
        deadline = time.monotonic() + within
        while True:
            last = self.condition(kind, namespace, name, condition)
            if last is not None and last["status"] == status and reason in (None, last["reason"]):
                return self.get(kind, namespace, name)
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{kind} {name}: {condition} is not {status} ({reason}) within {within} s, but {last}"
                )
            time.sleep(0.05)

    def wait_gone(self, kind: str, namespace: str, name: str, within: float = PATIENCE) -> None:
        deadline = time.monotonic() + within
        while self.find(kind, namespace, name) is not None:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{kind} {name} is still there after {within} s: {self.get(kind, namespace, name)}"
                )
            time.sleep(0.05)

    def install_definitions(self) -> None:
        """Install the chart's CRDs if they are missing."""
        for file in sorted(DEFINITIONS.glob("*.yaml")):
            body = yaml.safe_load(file.read_text())
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            with contextlib.suppress(Refused):
                self.request("POST", path, body)
            deadline = time.monotonic() + PATIENCE
            while not self._is_served(body["spec"]["names"]["plural"]):
                assert time.monotonic() < deadline, f"{file.name} is not served"
                time.sleep(0.05)

    def _is_served(self, plural: str) -> bool:
        try:
            self.request("GET", f"{GROUP}/{plural}")
            served = self.request("GET", GROUP)["resources"]
        except Refused:
            return False
        return any(each["name"] == plural for each in served)

    def _path(self, body: Mapping[str, Any]) -> str:
        metadata = body["metadata"]
        return path_of(body["kind"], metadata["namespace"], metadata["name"])


def path_of(kind: str, namespace: str, name: str = "") -> str:
    if kind == "Namespace":
        return f"/api/v1/namespaces/{name}"
    group, plural = _PLACES[kind]
    return f"{group}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")


@dataclass
class OperatorProcess:
    """The operator as a real process, with its log in a file."""

    kubeconfig: Path
    log: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    #: The command: the operator, or a test's variant.
    module: tuple[str, ...] = ("stanine_operator",)

    def start(self) -> "OperatorProcess":
        """Start it and wait until it is ready."""
        self.launch()
        deadline = time.monotonic() + PATIENCE
        while not self.is_ready():
            assert self.process is not None
            assert self.process.poll() is None, self.lines()[-20:]
            assert time.monotonic() < deadline, self.lines()[-20:]
            time.sleep(0.05)
        return self

    def launch(self) -> None:
        """Start it without waiting."""
        assert self.process is None or self.process.poll() is not None
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KUBE", "OTEL_", "STANINE_"))
        }
        self.log.touch()
        self._begins_at = self.log.stat().st_size
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.module, *self.arguments],
                env=environment | {"KUBECONFIG": str(self.kubeconfig)} | dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """Kill the process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self, within: float = 20) -> int:
        """Terminate it as Kubernetes does; return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(within)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)
        return self.process.returncode

    def lines(self) -> list[Object]:
        """Return the log of the current process; lines other than JSON as {"raw": …}."""
        return list(self._read_lines())

    def _read_lines(self) -> Iterator[Object]:
        for line in self.log.read_bytes()[self._begins_at :].decode(errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"raw": line}

    def is_ready(self) -> bool:
        return self.probe("/readyz")[0] == 200

    def probe(self, path: str) -> tuple[int, str]:
        """Request its health port; status 0 if it is closed."""
        port = next(
            (
                line["health_port"]
                for line in self._read_lines()
                if line.get("event") == "operator.started"
            ),
            None,
        )
        if port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, summed over the series with these labels; 0 without a series.

        Wait for an answer: a busy operator must not be read as 0.
        """
        deadline = time.monotonic() + PATIENCE
        while (answer := self.probe("/metrics"))[0] != 200:
            assert time.monotonic() < deadline, f"/metrics: {answer}"
            time.sleep(0.2)
        total = 0.0
        for line in answer[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(
                f'{label}="{text}"' in head for label, text in labels.items()
            ):
                total += float(value)
        return total


@contextlib.contextmanager
def running(process: OperatorProcess) -> Iterator[OperatorProcess]:
    """Run the operator, and stop it in any case."""
    try:
        yield process.start()
    finally:
        if process.process is not None:
            process.stop()


def redis_config(namespace: str, port: int, name: str = "default", **spec: Any) -> Object:
    """Return a RedisConfig for a server on this machine. `connection` in spec is merged."""
    connection = {"host": "127.0.0.1", "port": port} | spec.pop("connection", {})
    return resource("RedisConfig", namespace, name, {"connection": connection, **spec})


def queue(namespace: str, name: str, **spec: Any) -> Object:
    return resource("Queue", namespace, name, {"queueName": name, **spec})


def secret(namespace: str, name: str, **values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def resource(kind: str, namespace: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def chart_rules() -> list[Object]:
    """Return the operator's permissions from the chart's template, where they are plain YAML."""
    template = (ROOT / "charts" / "stanine" / "templates" / "operator" / "rbac.yaml").read_text()
    rules: list[Object] = yaml.safe_load(
        "rules:" + template.split("\nrules:", 1)[1].split("\n---", 1)[0]
    )["rules"]
    return rules


def limited_kubeconfig(api: Api, namespace: str, rules: Sequence[Object], folder: Path) -> Path:
    """Create a service account with these permissions; return a kubeconfig with its token."""
    rbac = "rbac.authorization.k8s.io"
    api.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator", "namespace": namespace}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "operator", "namespace": namespace}, "rules": list(rules)},
        {
            "apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "operator", "namespace": namespace},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": namespace}],
        },
    )  # fmt: skip
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/operator/token"
    token = api.request("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    return kubeconfig_in(api, namespace, folder, token)


def kubeconfig_in(api: Api, namespace: str, folder: Path, token: str = "") -> Path:
    """Return a kubeconfig for a namespace, optionally with another token."""
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    if token:
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    kubeconfig = folder / f"kubeconfig-{namespace}"
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig
