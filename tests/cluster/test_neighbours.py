"""Several releases, one with an operator for the whole cluster; deletion of a release's namespace."""

import hashlib
import secrets
import time
from collections.abc import Iterator

import pytest
import yaml
from tests.cluster.conftest import ROOT, VALKEY_IMAGE, Object, Release, run, until
from tests.cluster.servers import Place, namespace

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

#: Seconds until a namespace with a release is deleted.
GONE_SECONDS = 180
#: Seconds without a write to an idle release.
REST = 40
INSTRUMENT = ROOT / "examples/instruments/gad-7.yaml"


@pytest.fixture(scope="module")
def releases() -> Iterator[list[Release]]:
    """Three namespaces, releases of one name and password; one operator serves the whole cluster."""
    passwords = {
        user: secrets.token_hex(8)
        for user in ("api", "index-watcher", "result-watcher", "operator", "cli", "keda")
    }
    with namespace("wide") as wide, namespace("one") as one, namespace("two") as two:
        made = [Release("helm", each) for each in (wide, one, two)]
        for number, each in enumerate(made):
            each.apply(users_secret(passwords))
            each.put(
                {
                    "operator": {"clusterWide": number == 0},
                    "valkey": {"auth": {"existingSecret": "users"}},
                }
            )
        yield made
        for each in made:
            each.helm("uninstall", each.name, check=False)


def users_secret(passwords: dict[str, str]) -> Object:
    """Return the chart's Secret of Redis users with these passwords."""
    chart = str(ROOT / "charts/stanine")
    made: Object = yaml.safe_load(
        run("helm", "template", "stanine", chart, "-n", "x", "-s", "templates/valkey/secret.yaml")
    )
    made["metadata"] = {"name": "users"}
    data = made["stringData"]
    for user, password in passwords.items():
        old = hashlib.sha256(data[f"{user}-password"].encode()).hexdigest()
        data["users.acl"] = data["users.acl"].replace(
            old, hashlib.sha256(password.encode()).hexdigest()
        )
        data[f"{user}-password"] = password
    return made


def resources(release: Release) -> list[Object]:
    found: list[Object] = release.get(
        "redisconfigs.stanine.dev,queues.stanine.dev,instruments.stanine.dev"
    )["items"]
    return found


def operators(release: Release) -> set[str]:
    return {each.get("status", {}).get("operator", "") for each in resources(release)}


def ready(release: Release) -> bool:
    conditions = [
        c
        for each in resources(release)
        for c in each.get("status", {}).get("conditions", [])
        if c["type"] == "Ready"
    ]
    return len(conditions) == len(resources(release)) and all(
        each["status"] == "True" for each in conditions
    )


def versions(releases: list[Release]) -> list[str]:
    return [found["metadata"]["resourceVersion"] for each in releases for found in resources(each)]


def is_its_own(release: Release) -> bool:
    return ready(release) and operators(release) == {f"{release.namespace}/stanine"}


@pytest.mark.alone  # it also serves the other tests' namespaces until their own operators start
def test_every_release_is_served_by_its_own_operator_only(
    releases: list[Release],
) -> None:
    until(lambda: all(map(is_its_own, releases)), 90, "each has its operator")
    before = versions(releases)
    time.sleep(REST)
    assert versions(releases) == before, "nothing is written at rest"


@pytest.mark.alone
def test_an_instrument_is_published_only_in_the_release_of_its_namespace(
    releases: list[Release],
) -> None:
    wide, one, two = releases
    one.kubectl("apply", "-f", str(INSTRUMENT))
    one.kubectl("wait", "instrument/gad-7", "--for=condition=Ready", "--timeout=90s")
    assert operators(one) == {f"{one.namespace}/stanine"}
    assert "gad-7" in one.stanine("instruments", "-o", "json")
    for other in (wide, two):
        assert "gad-7" not in other.stanine("instruments", "-o", "json")


@pytest.mark.alone
def test_a_release_without_an_operator_is_served_by_the_clusters_operator_which_finds_its_server(
    releases: list[Release],
) -> None:
    with namespace("bare") as bare:
        place, its = Place(bare), Release("helm", bare)
        place.give(
            "redis", {"server.conf": "protected-mode no\ndir /data\nmaxmemory-policy noeviction\n"}
        )
        place.begin("redis", VALKEY_IMAGE)
        place.wait("redis")
        config = {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "RedisConfig",
            "metadata": {"name": "default"},
        }
        its.apply(config | {"spec": {"connection": {"host": "redis"}}})
        its.kubectl("wait", "redisconfig/default", "--for=condition=Ready", "--timeout=90s")
        assert operators(its) == {f"{releases[0].namespace}/stanine"}


@pytest.mark.alone
def test_uninstalling_a_release_leaves_the_others_unchanged(releases: list[Release]) -> None:
    wide, _, two = releases
    two.apply(
        {
            "apiVersion": "stanine.dev/v1alpha1", "kind": "Queue", "metadata": {"name": "mine"},
            "spec": {"queueName": "mine", "deletionPolicy": "Delete"},
        }
    )  # fmt: skip
    two.kubectl("wait", "queue.stanine.dev/mine", "--for=condition=Ready", "--timeout=60s")
    two.helm("uninstall", two.name)
    assert "stanine-operator" not in two.kubectl("get", "leases", "-o", "name")
    # the cluster's operator serves its resource now, and removes the finalizer although the server is deleted
    until(lambda: operators(two) == {f"{wide.namespace}/stanine"}, 90, "somebody else serves it")
    two.kubectl("delete", "queue.stanine.dev/mine", "--timeout=90s")


@pytest.mark.parametrize("helm", ["helm"], indirect=True)
@pytest.mark.parametrize("wide", [False, pytest.param(True, marks=pytest.mark.alone)])
def test_a_namespace_with_a_release_in_it_can_be_deleted(release: Release, wide: bool) -> None:
    release.put(
        {"operator": {"clusterWide": wide}, "queues": {"extra": {"deletionPolicy": "Delete"}}}
    )
    instrument = yaml.safe_load(INSTRUMENT.read_text())
    instrument["spec"]["deletionPolicy"] = "Delete"
    release.apply(instrument)
    release.kubectl(
        "wait",
        "instrument/gad-7",
        "queue.stanine.dev/extra",
        "--for=condition=Ready",
        "--timeout=90s",
    )
    assert release.get("instrument", "gad-7")["metadata"]["finalizers"] == ["stanine.dev/operator"]
    began = time.monotonic()
    try:
        run("kubectl", "delete", "namespace", release.namespace, f"--timeout={GONE_SECONDS}s")
    except AssertionError:
        raise AssertionError(
            run("kubectl", "get", "namespace", release.namespace, "-o", "yaml", check=False)
        ) from None
    print(f"a namespace with a release was deleted after {time.monotonic() - began:.0f} s")  # noqa: T201 - for people
