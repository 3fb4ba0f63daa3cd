"""A release under load is restarted, changed, drained, killed: acknowledged work is done once.

One release for all tests, with two pods each of the API and the resultWatcher.
"""

import itertools
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cluster.conftest import NEXT_IMAGE, Release, image, run, until
from tests.cluster.load import Ledger, load, score_of
from tests.conftest import need

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DEPLOYMENTS = ("stanine-api", "stanine-index-watcher", "stanine-result-watcher", "stanine-operator")
#: The label of this release's pods; pods of other releases are not drained.
OWN = "example.com/drained"
#: Ledger and last known revisions of a release, by namespace.
SENT: dict[str, set[str]] = {}
REVISIONS: dict[str, list[int]] = {}

#: The user id of Valkey.
VALKEY_USER = 999


@pytest.fixture(scope="module")
def running() -> Iterator[Release]:
    """A release with persistent data that acknowledges writes after they are on disk."""
    namespace = f"stanine-test-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", namespace)
    run("kubectl", "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    release = Release("helm", namespace)
    with volume(namespace) as persistence:
        release.put(
            {
                "valkey": {"persistence": {"enabled": True, "size": "1Gi", **persistence}},
                "pods": {"podLabels": {OWN: namespace}},
                "redisConfig": {"spec": {"settings": {"durability": "Fsync"}}},
            }
        )
        release.helm("test", release.name)
        until(
            lambda: release.redis("HGET", "stanine:{p0}:config", "durability") == "Fsync",
            60,
            "Fsync",
        )
        yield release
        release.helm("uninstall", release.name, check=False)
        run("kubectl", "delete", "namespace", namespace)


@contextmanager
def volume(name: str) -> Iterator[dict[str, str]]:
    """Yield values for Valkey's volume: of the default StorageClass, or a local folder."""
    classes = json.loads(run("kubectl", "get", "storageclass", "-o", "json"))["items"]
    if any(
        each["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class")
        == "true"
        for each in classes
    ):
        yield {}
        return
    need("folder-volumes", found=os.geteuid() == 0 and local_sockets() != [])
    with tempfile.TemporaryDirectory(prefix=name) as folder:
        os.chown(folder, VALKEY_USER, VALKEY_USER)
        made = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": name,
                "hostPath": {"path": folder},
                "claimRef": {"namespace": name, "name": "data-stanine-valkey-0"},
            },
        }
        run("kubectl", "apply", "-f", "-", given=json.dumps(made))
        yield {"storageClassName": name}
        run("kubectl", "delete", "pv", name, "--wait=false")


def local_sockets() -> list[Path]:
    """Return the containerd sockets of nodes that run as processes of this machine."""
    return sorted(Path(os.environ["KUBECONFIG"]).parent.glob("node-*/containerd.sock"))


def kill_9(release: Release, pod: str) -> None:
    """Send signal 9 to a pod's process, as the kernel does when memory is exhausted."""
    status = release.get("pod", pod)["status"]["containerStatuses"][0]
    container = status["containerID"].removeprefix("containerd://")
    for socket in local_sockets():
        if container in run("ctr", "-a", str(socket), "-n", "k8s.io", "tasks", "ls", "-q").split():
            run("ctr", "-a", str(socket), "-n", "k8s.io", "tasks", "kill", "-s", "9", container)
            return
    raise AssertionError(f"{pod} runs nowhere")


def check(release: Release, ledger: Ledger, step: str) -> None:
    """Check invariants I1 to I7 (DESIGN 9) at rest, with API, records and the callers' ledger."""
    sent = SENT.setdefault(release.namespace, set())
    sent |= ledger.sent
    until(lambda: _depth(release) == 0, 60, "the queue is worked off")
    rows = [
        json.loads(line)
        for line in release.stanine("results", "smoke-test", "-o", "ndjson").splitlines()
    ]
    by_key = {row["key"]: row for row in rows if row.get("key")}
    # I1: every acknowledged attempt is readable under its id. I2: once.
    lost = [
        key
        for key, attempt in ledger.acknowledged.items()
        if key not in by_key or by_key[key]["attempt"] != attempt
    ]
    assert not lost, f"{len(lost)} acknowledged attempts have no result"
    assert not ledger.conflicts
    assert len({row["attempt"] for row in rows}) == len(rows)
    assert len(by_key) == sum(1 for row in rows if row.get("key")), "a key has two attempts"
    # I3: the scores match the submitted answers. I4: no result without a submission.
    assert by_key.keys() <= sent
    wrong = [
        key for key, row in by_key.items() if row["scales"]["agreement_all"]["raw"] != score_of(key)
    ]
    assert not wrong, f"{len(wrong)} results are not those of their answers"
    # I2, I3, I6 and I7 in the records: one result an attempt, equal to a fresh scoring, and nothing left over.
    found = release.check()
    assert found["unscored"] == 0
    assert found["attempts"] == found["results"] == found["scores"]["equal"] == len(rows)
    # I5: revisions only increase.
    revisions = [
        int(release.redis("HGET", f"stanine:{{p0}}:{key}", "revision"))
        for key in ("instrument:smoke-test", "config:meta")
    ]
    before = REVISIONS.setdefault(release.namespace, revisions)
    assert all(now >= then for now, then in zip(revisions, before, strict=True)), (
        before,
        revisions,
    )
    REVISIONS[release.namespace] = revisions
    failed = sum(ledger.failures.values())
    print(  # noqa: T201 - for people
        f"{step}: {len(ledger.acknowledged)} acknowledged, 0 lost, 0 doubled, {failed} requests failed {dict(ledger.failures) or ''}"
    )


def _depth(release: Release) -> int:
    return int(release.redis("XLEN", "stanine:{p0}:q:results:ready")) + int(
        release.redis("ZCARD", "stanine:{p0}:q:results:delayed")
    )


def test_a_rolling_restart_of_everything_fails_no_request(running: Release) -> None:
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "restart", f"deployment/{name}")
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=150s")
        time.sleep(8)  # the last old pods are still terminating
    assert not ledger.failures
    check(running, ledger, "rolling restart of all four")


def libraries(release: Release) -> set[str]:
    """Return the names of the server's function libraries."""
    words = release.redis("FUNCTION", "LIST").split()
    return {after for word, after in itertools.pairwise(words) if word == "library_name"}


def test_an_upgrade_to_the_next_image_with_other_settings_fails_no_request(
    running: Release,
) -> None:
    # not Valkey's pod: it is the only one, and requests fail while it restarts
    need("next-image", found=NEXT_IMAGE != "")
    before = libraries(running)
    values = {
        "image": image(NEXT_IMAGE),
        "redisConfig": {"spec": {"settings": {"sweepSeconds": 10}}},
    }
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        running.put(values, command="upgrade", keep=True)
        time.sleep(8)
    assert not ledger.failures
    check(running, ledger, "helm upgrade of image and settings")
    pods = running.get(
        "pods", "-l", "app.kubernetes.io/component!=valkey,app.kubernetes.io/component!=smoke-test"
    )["items"]
    assert {each["spec"]["containers"][0]["image"] for each in pods} == {NEXT_IMAGE}
    assert len(libraries(running) - before) == len(before), (
        "the next image has libraries of its own"
    )


def test_a_rollback_to_the_image_of_before_fails_no_request(running: Release) -> None:
    need("next-image", found=NEXT_IMAGE != "")
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        running.helm("rollback", running.name, "--wait")
        time.sleep(8)
    assert not ledger.failures
    check(running, ledger, "helm rollback")


def test_pods_killed_without_warning_lose_no_acknowledged_work(running: Release) -> None:
    with load(running.url, running.key) as ledger:
        for name in ("api", "index-watcher", "result-watcher", "operator"):
            time.sleep(2)
            pods = running.get("pods", "-l", f"app.kubernetes.io/component={name}")["items"]
            running.kubectl(
                "delete", "pod", pods[0]["metadata"]["name"], "--grace-period=0", "--force"
            )
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
        time.sleep(3)
    check(running, ledger, "a pod of each killed")


def test_processes_killed_with_signal_9_lose_no_acknowledged_work(running: Release) -> None:
    need("local-nodes", found=local_sockets() != [] and shutil.which("ctr") is not None)
    with load(running.url, running.key) as ledger:
        for name in ("api", "index-watcher", "result-watcher", "operator", "valkey"):
            time.sleep(2)
            kill_9(
                running,
                running.get("pods", "-l", f"app.kubernetes.io/component={name}")["items"][0][
                    "metadata"
                ]["name"],
            )
        time.sleep(8)
        for name in DEPLOYMENTS:
            running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
        time.sleep(3)
    check(running, ledger, "kill -9 of each container, Valkey's too")


def test_valkeys_pod_deleted_loses_no_acknowledged_work(running: Release) -> None:
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        running.kubectl("delete", "pod", "stanine-valkey-0")
        running.kubectl("rollout", "status", "statefulset/stanine-valkey", "--timeout=90s")
        time.sleep(10)
    check(running, ledger, "Valkey's pod deleted")


def test_a_drained_node_loses_no_acknowledged_work_and_fails_no_request(running: Release) -> None:
    nodes = [
        each["metadata"]["name"]
        for each in json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]
    ]
    if len(nodes) < 2:
        pytest.skip("one node cannot be drained")
    valkey = running.get("pod", "stanine-valkey-0")["spec"]["nodeName"]
    node = next(name for name in nodes if name != valkey)
    with load(running.url, running.key) as ledger:
        time.sleep(2)
        try:
            run("kubectl", "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s",
                f"--pod-selector={OWN}={running.namespace}")  # fmt: skip
            for name in DEPLOYMENTS:
                running.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
            time.sleep(3)
        finally:
            run("kubectl", "uncordon", node)
    assert not ledger.failures
    check(running, ledger, "drain of a node")
