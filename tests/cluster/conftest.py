"""A release of the chart on KUBECONFIG's cluster, in a new namespace that enforces `restricted`.

STANINE_IMAGE, STANINE_VALKEY_IMAGE and STANINE_REDIS_7_IMAGE name images that the nodes have or can pull
(default: localhost/stanine:dev). The tests call the API through a NodePort, as an external client does.
"""

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import need

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("STANINE_IMAGE", "localhost/stanine:dev")
#: Server images: preloaded ones on a cluster without a registry, otherwise public ones.
_LOCAL = IMAGE.startswith("localhost/")
VALKEY_IMAGE = os.environ.get("STANINE_VALKEY_IMAGE") or (
    "localhost/valkey:9" if _LOCAL else "valkey/valkey:9.1"
)
#: The same services under the next version number: tests/cluster/next.
NEXT_IMAGE = os.environ.get("STANINE_NEXT_IMAGE", "")
REDIS_7_IMAGE = os.environ.get("STANINE_REDIS_7_IMAGE") or (
    "localhost/redis:7" if _LOCAL else "redis:7.0"
)
#: Seconds for a new release to become ready; 12 on an idle machine.
READY_SECONDS = 180


def image(name: str) -> dict[str, str]:
    """Return an image's name in the form of the chart's values."""
    return dict(zip(("repository", "tag"), name.rsplit(":", 1), strict=True))


#: Values of all test releases: no persistence, small resource requests.
BASE = {
    "image": image(IMAGE),
    "api": {"service": {"type": "NodePort"}, "resources": {"requests": {"cpu": "10m"}}},
    "resultWatcher": {"resources": {"requests": {"cpu": "10m"}}},
    "indexWatcher": {"resources": {"requests": {"cpu": "10m"}}},
    "operator": {"resources": {"requests": {"cpu": "10m"}}},
    "valkey": {
        "image": image(VALKEY_IMAGE),
        "persistence": {"enabled": False},
        "resources": {"requests": {"cpu": "10m"}},
    },
}

Object = dict[str, Any]


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(first)
    for name, value in second.items():
        both[name] = (
            merged(both[name], value)
            if isinstance(value, Mapping) and isinstance(both.get(name), Mapping)
            else value
        )
    return both


def run(*command: str, given: str | None = None, check: bool = True, **variables: str) -> str:
    """Run a program and return its output; fail with its output and errors."""
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done.stdout


def cluster_found() -> bool:
    if not os.environ.get("KUBECONFIG") or not all(
        shutil.which(name) for name in ("kubectl", "helm")
    ):
        return False
    return (
        subprocess.run(
            ["kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )


class Release:
    """One release in its namespace."""

    def __init__(self, helm_program: str, namespace: str, name: str = "stanine") -> None:
        self.helm_program, self.namespace, self.name = helm_program, namespace, name
        self._values: dict[str, Any] = {}

    def helm(self, *arguments: str, **more: Any) -> str:
        return run(self.helm_program, *arguments, "-n", self.namespace, **more)

    def kubectl(self, *arguments: str, **more: Any) -> str:
        return run("kubectl", "-n", self.namespace, *arguments, **more)

    def put(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        command: str = "install",
        keep: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        """Install or upgrade and wait for readiness. `keep`: add the values to the previous ones."""
        self._values = merged(self._values if keep else BASE, values or {})
        text = json.dumps(self._values)
        self.helm(
            command,
            self.name,
            str(ROOT / "charts/stanine"),
            "-f",
            "-",
            "--wait",
            f"--timeout={READY_SECONDS}s",
            *options,
            given=text,
        )

    def get(self, *what: str) -> Object:
        found: Object = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def status(self, kind: str, name: str, condition: str = "Ready") -> tuple[str, str]:
        """Return a condition's status and reason; empty if the condition is absent."""
        for each in self.get(kind, name).get("status", {}).get("conditions", []):
            if each["type"] == condition:
                return each["status"], each["reason"]
        return "", ""

    def apply(self, manifest: Object | str) -> None:
        self.kubectl(
            "apply",
            "-f",
            "-",
            given=manifest if isinstance(manifest, str) else json.dumps(manifest),
        )

    def secret(self, name: str, key: str) -> str:
        return base64.b64decode(self.get("secret", f"{self.name}-{name}")["data"][key]).decode()

    @property
    def key(self) -> str:
        return self.secret("admin-key", "key")

    @property
    def url(self) -> str:
        port = self.get("service", f"{self.name}-api")["spec"]["ports"][0]["nodePort"]
        nodes = json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]
        (address, *_) = [
            each["address"]
            for each in nodes[0]["status"]["addresses"]
            if each["type"] == "InternalIP"
        ]
        return f"http://{address}:{port}"

    def stanine(self, *arguments: str, given: str | None = None) -> str:
        """Run the command line against the release."""
        return run(
            sys.executable,
            "-m",
            "stanine.cli.main",
            *arguments,
            given=given,
            STANINE_API_URL=self.url,
            STANINE_KEY=self.key,
        )

    @contextmanager
    def redis_url(self, user: str) -> Iterator[str]:
        """Forward a local port to the server; yield the URL for one of its users."""
        command = [
            "kubectl",
            "-n",
            self.namespace,
            "port-forward",
            f"pod/{self.name}-valkey-0",
            ":6379",
        ]
        forward = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert forward.stdout is not None
            port = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
            yield f"redis://{user}:{self.secret('redis', f'{user}-password')}@127.0.0.1:{port}/0"
        finally:
            forward.terminate()
            forward.communicate(timeout=10)

    def smoke(self) -> None:
        """Run `helm test` and check the records that it writes.

        Its log may be lost if nodes share a machine's folders.
        """
        assert "Succeeded" in self.helm("test", self.name)
        last = self.stanine("results", "smoke-test", "-o", "ndjson").splitlines()[-1]
        assert json.loads(last)["scales"]["agreement_all"]["raw"] == 17.0

    def check(self) -> Object:
        """Return the report of `stanine check --scores`; fail if the records are inconsistent."""
        with self.redis_url("cli") as url:
            command = (sys.executable, "-m", "stanine.cli.main", "check", "--scores", "-o", "json")
            found: Object = json.loads(run(*command, STANINE_REDIS_URL=url))
        return found

    def redis(self, *words: str) -> str:
        """Send a command to the server as the operator's user."""
        password = self.secret("redis", "operator-password")
        command = [
            "exec",
            f"{self.name}-valkey-0",
            "--",
            "valkey-cli",
            "--no-auth-warning",
            "--user",
            "operator",
            "--pass",
            password,
        ]
        return self.kubectl(*command, *words).strip()


def until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until a condition holds; return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    need("cluster", found=cluster_found())


@pytest.fixture(params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest) -> str:
    need(request.param, found=shutil.which(request.param) is not None)
    return str(request.param)


@pytest.fixture
def namespace() -> Iterator[str]:
    """A namespace that enforces `restricted`."""
    name = f"stanine-test-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    run("kubectl", "delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def release(helm: str, namespace: str) -> Iterator[Release]:
    """A release, not installed yet; uninstalled at the end."""
    mine = Release(helm, namespace)
    yield mine
    mine.helm("uninstall", mine.name, check=False)
