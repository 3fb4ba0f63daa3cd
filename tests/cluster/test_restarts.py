"""A release under constant load, restarted, changed, drained and killed: no acknowledged work is lost, and none is done twice.

One release for all tests, with two pods each of the API and the resultWatcher.
"""

import json
import secrets
import time
from collections.abc import Iterator

import pytest
from tests.cluster.conftest import Release, run, until
from tests.cluster.load import Ledger, load

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DEPLOYMENTS = ("stanine-api", "stanine-index-watcher", "stanine-result-watcher", "stanine-operator")
#: Their values.
CHANGED = ("api", "indexWatcher", "resultWatcher", "operator")


@pytest.fixture(scope="module")
def running() -> Iterator[Release]:
    namespace = f"stanine-test-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", namespace)
    run("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    release = Release("helm", namespace)
    release.put()
    release.helm("test", release.name)
    yield release
    release.helm("uninstall", release.name, check=False)
    run("kubectl", "delete", "namespace", namespace, "--wait=false")


def check(release: Release, ledger: Ledger, told: str) -> None:
    """Check that every acknowledged attempt has one result, that nothing was scored that was not sent, and that nothing is left over."""
    until(lambda: _depth(release) == 0, 60, "the queue is worked off")
    rows = [json.loads(line) for line in release.stanine("results", "smoke-test", "-o", "ndjson").splitlines()]
    keys = [row["key"] for row in rows if row.get("key")]
    mine = [key for key in keys if key in ledger.sent]
    assert len(keys) == len(set(keys)), "a result stands twice"
    assert ledger.acknowledged <= set(mine), f"{len(ledger.acknowledged - set(mine))} acknowledged attempts have no result"
    assert {row["scales"]["agreement_all"]["raw"] for row in rows} == {17.0}
    print(f"{told}: {len(ledger.acknowledged)} acknowledged, 0 lost, 0 doubled; failed requests: {dict(ledger.failures) or 0}")  # noqa: T201 - for people


def _depth(release: Release) -> int:
    return int(release.redis("XLEN", "stanine:{p0}:q:results:ready")) + int(release.redis("ZCARD", "stanine:{p0}:q:results:delayed"))


def test_a_rolling_restart_of_everything_fails_no_request(running: Release) -> None:
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "restart", f"deployment/{name}")
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=150s")
        time.sleep(8)  # the last of the old pods are still leaving
    assert not ledger.failures
    check(running, ledger, "rolling restart of all four")


def test_an_upgrade_that_changes_pods_and_settings_fails_no_request(running: Release) -> None:
    # not those of Valkey: with it, here, its data would go
    values: dict[str, object] = {name: {"podAnnotations": {"example.com/build": "next"}} for name in CHANGED}
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        running.put(values | {"redisConfig": {"spec": {"settings": {"sweepSeconds": 10}}}}, command="upgrade")
        time.sleep(8)
    assert not ledger.failures
    check(running, ledger, "helm upgrade of pods and settings")


def test_pods_killed_without_warning_lose_no_acknowledged_work(running: Release) -> None:
    with load(running.url, running.key) as ledger:
        for name in ("api", "index-watcher", "result-watcher", "operator"):
            time.sleep(2)
            pods = running.get("pods", "-l", f"app.kubernetes.io/component={name}")["items"]
            running.kubectl("delete", "pod", pods[0]["metadata"]["name"], "--grace-period=0", "--force")
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
        time.sleep(3)
    check(running, ledger, "a pod of each killed")


def test_a_drained_node_loses_no_acknowledged_work_and_fails_no_request(running: Release) -> None:
    nodes = [each["metadata"]["name"] for each in json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]]
    if len(nodes) < 2:
        pytest.skip("one node cannot be drained")
    valkey = running.get("pod", "stanine-valkey-0")["spec"]["nodeName"]
    node = next(name for name in nodes if name != valkey)
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        try:
            run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s",
                "--pod-selector=app.kubernetes.io/instance=stanine")  # fmt: skip
            for name in DEPLOYMENTS:
                running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
            time.sleep(3)
        finally:
            run("kubectl", "uncordon", node)
    assert not ledger.failures
    check(running, ledger, "drain of a node")
