"""etcd is restored from a backup under a running operator: versions and generations are reused."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from tests.integration.kube_api import ApiServer
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config, running
from tests.integration.operator.hurried_operator import MODULE

from stanine.broker import StreamsBroker
from stanine.store.keys import Keys

#: Seconds within which a check made every two seconds must take effect; the process would be restarted after 720.
BOUND = 90
#: Writes missing in the backup: many more than an API server makes when it starts, so that versions stay lower for
#: long.
LOST = 800


def _until(check: Callable[[], object], within: float = BOUND) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def _version(api: Api) -> int:
    return int(
        api.request("GET", "/apis/stanine.dev/v1alpha1/queues", limit="1")["metadata"][
            "resourceVersion"
        ]
    )


def _write(api: Api, count: int) -> None:
    api.create_many(
        [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"c-{number}", "namespace": "n"},
            }
            for number in range(count)
        ]
    )


def _operator(api: Api, directory: Path) -> OperatorProcess:
    arguments = ("--all-namespaces",)
    return OperatorProcess(api.kubeconfig, directory / "operator.log", arguments, module=MODULE)


def _is_away(operator: OperatorProcess) -> bool:
    return any(line["event"] == "comparison.failed" for line in operator.lines() if "event" in line)


@pytest.mark.slow
def test_changes_after_a_restore_are_reconciled_despite_reused_versions(
    own_api_server: ApiServer, own_api: Api, tmp_path: Path, port: int
) -> None:
    """Regression: changes were ignored until the process was restarted, 12 minutes later."""
    api = own_api
    api.install_definitions()
    api.make_namespace("n")
    api.apply(redis_config("n", port), queue("n", "jobs", maxRetries=1), queue("n", "deleted"))
    backup = own_api_server.back_up()
    broker = StreamsBroker(client=redis.Redis(port=port), namespace=Keys("stanine").partition)
    _write(api, LOST)
    with running(_operator(api, tmp_path)) as operator:
        api.apply(queue("n", "jobs", maxRetries=2), queue("n", "created"))
        for name in ("jobs", "created", "deleted"):
            api.wait("Queue", "n", name)
        api.delete("Queue", "n", "deleted")
        _until(lambda: operator.metric("stanine_operator_resources", kind="Queue") == 2)
        before = _version(api)

        own_api_server.restore(backup)
        assert _version(api) < before - LOST / 2, "the versions are given out again"
        for name in ("jobs", "deleted"):
            api.wait("Queue", "n", name, within=BOUND)
        assert broker.settings("jobs").max_retries == 1, "what the restored resource says"
        assert api.find("Queue", "n", "created") is None
        _until(
            lambda: operator.metric("stanine_operator_resources", kind="Queue", ready="True") == 2
        )

        api.apply(queue("n", "jobs", maxRetries=7))
        assert api.wait("Queue", "n", "jobs", within=BOUND)["metadata"]["generation"] == 2, (
            "as the change that was lost"
        )
        assert broker.settings("jobs").max_retries == 7
        assert _version(api) < before, (
            "the watch begins again; it does not wait for the versions from before"
        )
        assert [line["event"] for line in operator.lines()].count("history.changed") == 1
    broker.client.close()


@pytest.mark.slow
def test_a_restore_with_caught_up_versions_is_found_by_two_lists(
    own_api_server: ApiServer, own_api: Api, tmp_path: Path, port: int
) -> None:
    """As after a restore with --bump-revision: only the versions of the objects are lower."""
    api = own_api
    api.install_definitions()
    api.make_namespace("n")
    api.apply(redis_config("n", port), queue("n", "jobs", maxRetries=1))
    backup = own_api_server.back_up()
    broker = StreamsBroker(client=redis.Redis(port=port), namespace=Keys("stanine").partition)
    with running(_operator(api, tmp_path)) as operator:
        api.apply(queue("n", "jobs", maxRetries=2))
        api.wait("Queue", "n", "jobs")
        before = _version(api)
        own_api_server.stop()
        _until(lambda: _is_away(operator))
        assert operator.process is not None
        operator.process.send_signal(signal.SIGSTOP)
        try:
            own_api_server.restore(backup)
            _write(api, 300)
            assert _version(api) > before
        finally:
            operator.process.send_signal(signal.SIGCONT)
        api.wait("Queue", "n", "jobs", within=BOUND)
        assert broker.settings("jobs").max_retries == 1, "what the restored resource says"
    broker.client.close()
