"""An API server of the tests' own: etcd and kube-apiserver from KUBEBUILDER_ASSETS on free ports, stopped by their process ids.

Nothing else of Kubernetes runs: no controllers, no garbage collection, no namespaces' deletion. Restarted, it has what it had.
"""

import functools
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import free_port
from tests.integration.kube_client import BlockingClient

from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.kubernetes.credentials import ClusterCredentialsError

_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
#: The development cluster's own command, where it lies beside the checkout: `assets` prints the folder of the programs.
_CLUSTER = Path(__file__).parents[3] / "shared/kube/cluster"
_TOKEN = "the-tests-own-token"
#: Seconds until it must be ready; it takes about four on an idle machine.
_READY = 180


@functools.cache
def find_assets() -> Path | None:
    """Return the folder that holds etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS, one of PATH, or the development cluster's."""
    folders = [
        os.environ.get("KUBEBUILDER_ASSETS", ""),
        os.path.dirname(shutil.which("kube-apiserver") or ""),  # noqa: PTH120 - may be empty
    ]
    for folder in filter(None, folders):
        if all((Path(folder) / program).exists() for program in _PROGRAMS):
            return Path(folder)
    if _CLUSTER.exists():
        told = subprocess.run(
            [str(_CLUSTER), "assets"], capture_output=True, text=True, timeout=120, check=False
        )
        return Path(told.stdout.strip()) if told.returncode == 0 else None
    return None


@dataclass
class ApiServer:
    """etcd and kube-apiserver; `kubeconfig` is an administrator's."""

    assets: Path
    directory: Path
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    _client: BlockingClient | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def start(self) -> None:
        """Start what does not run; returns when it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_files()
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self._run(
            "etcd", "--data-dir", str(self.directory / "etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--unsafe-no-fsync", "--log-level", "error",
        )  # fmt: skip
        key = str(self.directory / "service-accounts.key")
        self._run(
            "kube-apiserver", "--etcd-servers", etcd, "--cert-dir", str(self.directory / "certs"), "--bind-address", "127.0.0.1",
            "--secure-port", str(self.port), "--token-auth-file", str(self.directory / "tokens.csv"), "--authorization-mode", "RBAC",
            "--service-account-key-file", key, "--service-account-signing-key-file", key, "--service-account-issuer", "https://localhost",
            "--service-cluster-ip-range", "10.0.0.0/24", "--disable-admission-plugins", "ServiceAccount", "--shutdown-delay-duration", "0s",
        )  # fmt: skip
        self._wait()

    def stop(self, *programs: str, sig: int = signal.SIGTERM) -> None:
        """Stop both, or those named."""
        for program in programs or ("kube-apiserver", "etcd"):
            process = self.processes.pop(program, None)
            if process is not None:
                process.send_signal(sig)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(20)

    def end(self) -> None:
        """Stop both for good."""
        self.stop()
        if self._client is not None:
            self._client.close()

    def back_up(self) -> Path:
        """Stop both, copy etcd's data, start both; return the copy."""
        self.stop()
        backup = self.directory / "backup"
        shutil.copytree(self.directory / "etcd", backup)
        self.start()
        return backup

    def restore(self, backup: Path) -> None:
        """Put etcd's older data back while both are stopped, and start them at the addresses they had."""
        self.stop()
        shutil.rmtree(self.directory / "etcd")
        shutil.copytree(backup, self.directory / "etcd")
        self.start()

    def kubectl(
        self, *words: str, text: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl as an administrator; `text` is its standard input."""
        command = [str(self.assets / "kubectl"), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr}")
        return done

    def request(
        self, method: str, path: str, body: Any = None, content: str = "application/json"
    ) -> tuple[int, Any]:
        """Send one request; returns status and JSON."""
        if self._client is None:
            self._client = BlockingClient(self.kubeconfig)
        try:
            return 200, self._client.call(method, path, body, content_type=content)
        except ClusterError as error:
            if not error.status:
                raise OSError(str(error)) from None
            return error.status, msgspec.json.decode(error.answer)

    def _run(self, program: str, *options: str) -> None:
        if program in self.processes and self.processes[program].poll() is None:
            return
        with (self.directory / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                [str(self.assets / program), *options], stdout=log, stderr=subprocess.STDOUT
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY
        while True:
            try:
                if (
                    self.request("GET", "/api/v1/namespaces/default")[0] == 200
                    and self.kubectl("get", "--raw", "/readyz").stdout == "ok"
                ):
                    return
            except (
                OSError,
                ClusterCredentialsError,
                AssertionError,
            ):  # no answer; its certificate is not made yet; it is not ready
                pass
            if time.monotonic() > deadline or any(
                process.poll() is not None for process in self.processes.values()
            ):
                logs = [
                    (self.directory / f"{program}.log").read_text()[-2000:]
                    for program in self.processes
                ]
                self.stop()
                raise RuntimeError("\n".join(logs))
            time.sleep(0.1)

    def _write_files(self) -> None:
        if self.kubeconfig.exists():
            return
        (self.directory / "tokens.csv").write_text(f"{_TOKEN},admin,admin,system:masters\n")
        subprocess.run(
            ["openssl", "genrsa", "-out", str(self.directory / "service-accounts.key"), "2048"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        certificate = self.directory / "certs" / "apiserver.crt"
        self.kubeconfig.write_text(
            msgspec.json.encode({
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "own", "cluster": {"server": self.url, "certificate-authority": str(certificate)}}],
                "users": [{"name": "admin", "user": {"token": _TOKEN}}],
                "contexts": [{"name": "own", "context": {"cluster": "own", "user": "admin", "namespace": "default"}}],
                "current-context": "own",
            }).decode()
        )  # fmt: skip


def start_api_server(directory: Path) -> ApiServer:
    """Start one, or skip the test where there is none (STANINE_REQUIRE=kubernetes-api: fail)."""
    from tests.conftest import need  # noqa: PLC0415

    assets = find_assets()
    need("kubernetes-api", found=assets is not None and shutil.which("openssl") is not None)
    if assets is None:
        pytest.skip("unreachable")
    server = ApiServer(assets, directory)
    server.start()
    return server
