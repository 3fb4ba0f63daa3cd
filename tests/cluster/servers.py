"""External Redis, Valkey and Sentinel servers, as pods of another namespace."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.cluster.conftest import Object, run

#: The user id of the servers in these images.
_USER = 999
_AS_WHOM = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "fsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


class Place:
    """A namespace for servers. Pods mount a Secret at /etc/server and have a writable /data."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run("kubectl", "-n", self.namespace, *arguments, given=given)

    def give(self, name: str, files: Mapping[str, str]) -> None:
        """Write the Secret of a pod's files."""
        made = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": dict(files),
        }
        self.kubectl("apply", "-f", "-", given=json.dumps(made))

    def begin(
        self,
        name: str,
        image: str,
        *,
        port: int = 6379,
        command: tuple[str, ...] = (),
        more: tuple[str, ...] = (),
    ) -> None:
        """Create a pod whose files exist already, and a Service of the same name, without waiting.

        It runs the server with `server.conf` and the arguments `more`, which may contain $(POD_IP); or it runs a command.
        """
        container: Object = {
            "name": "server", "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": _RESTRICTED,
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
            "volumeMounts": [{"name": "files", "mountPath": "/etc/server"}, {"name": "data", "mountPath": "/data"}],
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            **({"command": list(command)} if command else {"args": ["/etc/server/server.conf", *more]}),
        }  # fmt: skip
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"server": name}},
            "spec": {
                "containers": [container], "enableServiceLinks": False, "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 5,
                "securityContext": _AS_WHOM,
                "volumes": [{"name": "files", "secret": {"secretName": name}}, {"name": "data", "emptyDir": {}}],
            },
        }  # fmt: skip
        service = {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"server": name}, "ports": [{"port": port}]},
        }  # fmt: skip
        self.kubectl(
            "apply",
            "-f",
            "-",
            given=json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, service]}),
        )

    def wait(self, *names: str) -> None:
        """Wait until pods are ready."""
        self.kubectl(
            "wait", *(f"pod/{name}" for name in names), "--for=condition=Ready", "--timeout=60s"
        )

    def address(self, name: str) -> str:
        """Return a pod's IP address."""
        return self.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}")

    def ask(self, name: str, *command: str) -> str:
        """Run a command in a pod."""
        return self.kubectl("exec", name, "--", *command).strip()

    def host(self, name: str) -> str:
        """Return the host name of a pod's Service for other namespaces."""
        return f"{name}.{self.namespace}.svc"


@contextmanager
def namespace(kind: str) -> Iterator[str]:
    """Create a namespace that enforces `restricted`; delete it afterwards."""
    name = f"stanine-{kind}-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        run("kubectl", "delete", "namespace", name, "--wait=false")
