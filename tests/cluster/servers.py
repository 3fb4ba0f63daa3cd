"""Servers that no release of ours runs: Redis, Valkey or Sentinel, as pods of another namespace. For the tests of external servers."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.cluster.conftest import Object, run

#: The user that these images' servers run as.
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
    """A namespace with servers in it. Files given to a pod lie in /etc/server and follow their Secret; /data is empty and writable."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        return run("kubectl", "-n", self.namespace, *arguments, given=given)

    def give(self, name: str, files: Mapping[str, str]) -> None:
        """Write the Secret with a pod's files."""
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
        """Make a pod that was given files, and a Service of its name, without waiting.

        It reads `server.conf`, and `more` arguments, which may name $(POD_IP); or it runs a command.
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
        """Return the name of a pod's Service as other namespaces know it."""
        return f"{name}.{self.namespace}.svc"


@contextmanager
def namespace(kind: str) -> Iterator[str]:
    """Have a namespace that enforces `restricted`."""
    name = f"stanine-{kind}-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        run("kubectl", "delete", "namespace", name, "--wait=false")
