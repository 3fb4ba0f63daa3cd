"""Backups on a cluster: a namespace is lost, and another gets its data back, without those who were erased since."""

import base64
import csv
import io
import json
import os
import secrets
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import IMAGE, ROOT, Object, Release, run, until
from tests.cluster.test_restarts import local_sockets
from tests.conftest import need

from stanine.store.backup.archive import MANIFEST

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Never: the test starts the jobs itself.
NEVER = "0 0 31 2 *"
PEOPLE = 40
ERASED = "p-3"
#: The user of Stanine's containers.
_USER = 10001


def has_default_class() -> bool:
    classes = json.loads(run("kubectl", "get", "storageclass", "-o", "json"))["items"]
    return any(
        each["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class")
        == "true"
        for each in classes
    )


@contextmanager
def claim(namespace: str, name: str) -> Iterator[None]:
    """Make a claim: of the default StorageClass, or a local folder that every user may write."""
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    with ExitStack() as stack:
        if not has_default_class():
            need("folder-volumes", found=os.geteuid() == 0 and local_sockets() != [])
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=namespace))
            Path(folder).chmod(0o777)
            volume = f"{namespace}-{name}"
            spec |= {"storageClassName": volume, "volumeName": volume}
            made = {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": volume},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": volume,
                    "hostPath": {"path": folder},
                },
            }
            run("kubectl", "apply", "-f", "-", given=json.dumps(made))
            stack.callback(run, "kubectl", "delete", "pv", volume, "--wait=false", check=False)
        wanted = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": spec,
        }
        run("kubectl", "-n", namespace, "apply", "-f", "-", given=json.dumps(wanted))
        yield


@contextmanager
def space() -> Iterator[str]:
    """A namespace that enforces `restricted`."""
    name = f"stanine-backup-{secrets.token_hex(3)}"
    run("kubectl", "create", "namespace", name)
    run("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield name
    finally:
        run("kubectl", "delete", "namespace", name, "--ignore-not-found", "--timeout=180s")


@contextmanager
def shell(namespace: str) -> Iterator[list[str]]:
    """A pod that has the backups at /backups; yield the beginning of a command in it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "files"},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "files", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "600"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "backups", "mountPath": "/backups"}],
            }],
            "volumes": [{"name": "backups", "persistentVolumeClaim": {"claimName": "backups"}}],
        },
    }  # fmt: skip
    run("kubectl", "-n", namespace, "apply", "-f", "-", given=json.dumps(pod))
    run("kubectl", "-n", namespace, "wait", "pod/files", "--for=condition=Ready", "--timeout=90s")
    try:
        yield ["kubectl", "-n", namespace, "exec", "-i", "files", "--", "sh", "-c"]
    finally:
        run("kubectl", "-n", namespace, "delete", "pod", "files", "--timeout=60s")


def run_job(release: Release, of: str) -> None:
    """Run a CronJob now; fail with its log, which may be lost where nodes share a machine's folders."""
    name = f"{of}-{secrets.token_hex(2)}"
    release.kubectl("create", "job", f"--from=cronjob/{of}", name)
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(release.get("job", name).get("status", {}))
        return bool(found.get("succeeded") or found.get("failed"))

    until(ended, 240, f"the end of {name}")
    assert found.get("succeeded"), release.kubectl(
        "logs", f"job/{name}", "--all-containers", check=False
    )


def files_in(packed: bytes) -> dict[str, bytes]:
    """Return the files of an archive (tar, base64) by name."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed))) as archive:
        return {
            Path(member.name).name: content.read()
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }


def results(release: Release) -> dict[str, dict[str, str]]:
    """Return the results by participant."""
    rows = csv.DictReader(io.StringIO(release.stanine("results", "gad-7")))
    return {row["participant"]: dict(row) for row in rows}


def newest_backup(release: Release) -> float:
    with urllib.request.urlopen(f"{release.url}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    (line,) = [each for each in lines if each.startswith("stanine_backup_newest")]
    return float(line.split()[1])


def test_another_namespace_gets_the_data_back_without_those_erased_since(
    helm: str, tmp_path: Path
) -> None:
    jobs = {
        "enabled": True,
        "schedule": NEVER,
        "journal": {"schedule": NEVER},
        "persistence": {"existingClaim": "backups"},
    }
    with space() as lost, claim(lost, "backups"):
        release = Release(helm, lost)
        release.put({"backup": jobs})
        release.stanine("publish", str(ROOT / "examples/instruments/gad-7.yaml"), "--wait")
        rows = [f"k{n},p-{n},{','.join(str((n + i) % 4) for i in range(7))}" for n in range(PEOPLE)]
        (tmp_path / "rows.csv").write_text(
            "\n".join(["key,participant,g1,g2,g3,g4,g5,g6,g7", *rows]) + "\n"
        )
        release.stanine("submit", "gad-7", str(tmp_path / "rows.csv"), "--wait")
        began = time.time()
        run_job(release, "stanine-backup")
        until(lambda: newest_backup(release) > began - 60, 30, "the metric of the backup")
        release.stanine("erase", "--participant", ERASED)
        run_job(release, "stanine-erasures")
        before, scores = results(release), release.check()["scores"]
        assert len(before) == PEOPLE - 1
        with shell(lost) as command:
            packed = subprocess.run(
                [*command, "cd /backups && tar c * | base64"], capture_output=True, check=True
            ).stdout
        files = files_in(packed)
        assert json.loads(files[MANIFEST])["counts"]["attempts"] == PEOPLE
        journal = files["erasures.ndjson"]
        assert journal.count(b"\n") == 2  # the attempt, and the participant as a MAC
        assert ERASED.encode() not in journal
    with space() as other, claim(other, "backups"), claim(other, "data"):
        with shell(other) as command:
            subprocess.run([*command, "base64 -d | tar x -m -C /backups"], input=packed, check=True)
        release = Release(helm, other)
        release.put(
            {
                "restore": {"enabled": True},
                "backup": jobs,
                "valkey": {"persistence": {"enabled": True, "existingClaim": "data"}},
            }
        )
        assert results(release) == before
        assert release.check()["scores"] == scores
        erased = json.loads(release.stanine("erase", "--participant", ERASED, "-o", "json"))
        assert erased[0]["attempts"] == 0
        with pytest.raises(AssertionError, match=r"(?s)ended with 3.*was erased"):
            release.stanine("submit", "gad-7", str(tmp_path / "rows.csv"))
        assert results(release) == before
        run_job(release, "stanine-backup")
        release.helm("uninstall", release.name)
