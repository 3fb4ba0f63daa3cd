"""The operator process killed at every step of a migration with a rollback."""

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server
from tests.integration.failpoints import Step
from tests.integration.operator.harness import Api, OperatorProcess, redis_config, running

DOOMED = "tests.integration.operator.redis_configs.doomed_operator"
#: The changes of the reconciliation: migration, rollback, and the status of both.
STEPS = [
    Step(name, nth, when)
    for name, nth in (("commit", 1), ("commit", 2), ("patch_status", 1))
    for when in ("before", "after")
]


@pytest.fixture
def namespaces(api: Api) -> Iterator[dict[str, Step]]:
    """A namespace for each step and its operator."""
    made = {f"killed-{uuid.uuid4().hex[:10]}": step for step in STEPS}
    for name in made:
        api.make_namespace(name)
    yield made
    for name in made:
        api.request("DELETE", f"/api/v1/namespaces/{name}")


def test_an_operator_killed_at_any_step_completes_the_migration_after_restart(
    api: Api, namespaces: dict[str, Step], redis_url: str, valkey: Server, tmp_path: Path
) -> None:
    serve_all = tuple(word for name in namespaces for word in ("--namespace", name))

    def put(namespace: str, **spec: Any) -> None:
        api.apply(redis_config(namespace, valkey.port, keyNamespace=namespace, **spec))

    with running(OperatorProcess(api.kubeconfig, tmp_path / "first.log", serve_all)):
        for seconds in (1, 2):
            for namespace in namespaces:
                put(namespace, settings={"sweepSeconds": seconds})
            for namespace in namespaces:
                api.wait("RedisConfig", namespace, "default")
    for namespace in namespaces:
        put(namespace, settings={"sweepSeconds": 3}, compatibility="DualWrite", rollbackTo=1)
    with ExitStack() as stack:  # concurrently: each operator serves one namespace
        doomed = {}
        for namespace, step in namespaces.items():
            arguments = (str(step), "--namespace", namespace)
            process = OperatorProcess(
                api.kubeconfig, tmp_path / f"{namespace}.log", arguments, module=(DOOMED,)
            )
            stack.callback(process.stop)
            process.launch()
            doomed[namespace] = process
        for namespace, process in doomed.items():
            assert process.process is not None
            try:
                assert process.process.wait(60) == -signal.SIGKILL, (
                    namespaces[namespace],
                    process.lines()[-5:],
                )
            except subprocess.TimeoutExpired:
                pytest.fail(f"{namespaces[namespace]} was never reached: {process.lines()[-5:]}")
    with running(OperatorProcess(api.kubeconfig, tmp_path / "last.log", serve_all)):
        client: Any = redis.Redis.from_url(redis_url, decode_responses=True)
        for namespace, step in namespaces.items():
            status = api.wait(
                "RedisConfig",
                namespace,
                "default",
                "SettingsApplied",
                status="False",
                reason="RolledBack",
            )["status"]
            assert (status["revision"], status["lastHandledPin"]) == (3, 1), step
            api.wait("RedisConfig", namespace, "default")
            assert client.hgetall(f"{namespace}:{{p0}}:config") == {"sweepSeconds": "1"}, step
            assert json.loads(client.get(f"{namespace}:config")) == {"sweepSeconds": 1}, step
        client.close()
