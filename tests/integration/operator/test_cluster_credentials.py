"""Credentials for the API server: kubeconfigs, plugins and expiry."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config

from stanine_operator.kubernetes.client import Client
from stanine_operator.kubernetes.credentials import ClusterCredentialsError, load_credentials

PLUGIN = """
import json, pathlib, sys
here = pathlib.Path(sys.argv[1])
print("run", file=(here / "runs").open("a"))
token = (here / "token").read_text()
if not token:
    sys.exit("the account is locked")
status = {"token": token} | json.loads((here / "more").read_text())
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


class Plugin:
    """A kubeconfig whose credentials are fetched by a program of the tests."""

    def __init__(self, folder: Path, api: Api) -> None:
        self._folder = folder
        config = yaml.safe_load(api.kubeconfig.read_text())
        self.right = str(config["users"][0]["user"]["token"])
        (folder / "plugin.py").write_text(PLUGIN)
        self.gives(self.right)
        command = {
            "apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "interactiveMode": "Never",
            "args": [str(folder / "plugin.py"), str(folder)],
        }  # fmt: skip
        config["users"] = [{"name": config["users"][0]["name"], "user": {"exec": command}}]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def gives(self, token: str, **more: Any) -> None:
        (self._folder / "token").write_text(token)
        (self._folder / "more").write_text(json.dumps(more))

    @property
    def runs(self) -> int:
        return (self._folder / "runs").read_text().count("run")


@pytest.fixture
def plugin(tmp_path: Path, api: Api) -> Plugin:
    return Plugin(tmp_path, api)


def test_the_operator_works_with_a_credential_plugin(
    api: Api,
    namespace: str,
    start_operator: Callable[..., OperatorProcess],
    plugin: Plugin,
    port: int,
) -> None:
    start_operator("--namespace", namespace, kubeconfig=plugin.kubeconfig)
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    api.wait("Queue", namespace, "jobs")


def test_a_plugin_without_credentials_is_reported_in_one_line(
    start_operator: Callable[..., OperatorProcess], plugin: Plugin
) -> None:
    plugin.gives("")
    operator = start_operator("--namespace", "default", kubeconfig=plugin.kubeconfig, wait=False)
    assert operator.process is not None
    assert operator.process.wait(60) == 2
    assert operator.lines()[-1]["event"] == "operator.unusable"
    assert "exec" in operator.lines()[-1]["detail"]
    assert not any("Traceback" in str(line) for line in operator.lines())


async def read(plugin: Plugin) -> Client:
    return await Client.connect(lambda: load_credentials({"KUBECONFIG": str(plugin.kubeconfig)}))


async def ask(client: Client) -> int:
    """Return the number of namespaces."""
    return len((await client.call("GET", "/api/v1/namespaces"))["items"])


def test_rejected_credentials_are_fetched_again_at_once_and_others_are_not(
    plugin: Plugin,
) -> None:
    async def work() -> None:
        plugin.gives("a token that has ended")
        client = await read(plugin)
        plugin.gives(plugin.right)
        for _ in range(3):
            assert await ask(client)
        await client.close()

    asyncio.run(work())
    assert plugin.runs == 2


def test_expiring_credentials_are_fetched_in_time(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr("stanine_operator.kubernetes.client.CREDENTIALS_FRESH", -1.0)
        for ends, runs in (("2099-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 4)):
            (plugin.kubeconfig.parent / "runs").write_text("")
            plugin.gives(plugin.right, expirationTimestamp=ends)
            client = await read(plugin)
            for _ in range(3):
                assert await ask(client)
            assert plugin.runs == runs
            await client.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "nonsense",
        "{",
        "clusters: 3",
        "current-context: x\ncontexts: []\nclusters: []\nusers: []",
    ],
)
def test_an_empty_kubeconfig_is_rejected_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    with pytest.raises(ClusterCredentialsError, match="KUBECONFIG"):
        asyncio.run(load_credentials({"KUBECONFIG": str(tmp_path / "config")}))


def test_a_missing_kubeconfig_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ClusterCredentialsError, match="set KUBECONFIG"):
        asyncio.run(load_credentials({"KUBECONFIG": str(tmp_path / "none")}))
