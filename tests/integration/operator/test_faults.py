"""What goes wrong around the operator: Redis, Secrets, the operator itself, the API server. Each heals by itself, and says so meanwhile."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from tests.conftest import Server, free_port, need, stop_server
from tests.integration.kube_api import ApiServer, find_assets, start_api_server
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config, running, secret

from stanine.broker.keys import queue_keys
from stanine.store.keys import Keys

#: Seconds within which everything converges after a fault has healed.
BOUND = 60
#: Seconds that a look may be away for a resource that is not well.
NOT_WELL = 15
REFERENCE = {"name": "redis", "key": "password"}


def versions(api: Api, namespace: str) -> dict[str, str]:
    """Return the resourceVersion of every resource."""
    kinds = ("RedisConfig", "Queue", "Instrument")
    return {
        f"{kind}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind in kinds
        for each in api.list_all(kind, namespace)
    }


@pytest.fixture
def port(valkey: Server, redis_url: str) -> int:
    """The port of an empty server."""
    return valkey.port


def test_redis_that_is_down_at_apply_is_said_and_found_when_it_comes(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    port = free_port()
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    for kind, name in (("RedisConfig", "default"), ("Queue", "jobs")):
        found = api.wait(kind, namespace, name, status="False", reason="ConnectionRefused")
        assert found["status"]["observedGeneration"] == 1
    api.wait("RedisConfig", namespace, "default", "Reachable", status="False", reason="ConnectionRefused")
    conditions = api.get("RedisConfig", namespace, "default")["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions if each["status"] == "Unknown"}, "what was not looked at is Unknown"
    assert operator.probe("/healthz")[0] == operator.probe("/readyz")[0] == 200, "neither probe depends on Redis"
    own_server(port=port)
    began = time.monotonic()
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < NOT_WELL + 5
    posted = [reason for _, reason, _ in api.events(namespace, "jobs")]
    assert posted.count("ConnectionRefused") == 1, "one event for a transition, however often it was looked at"
    assert len(posted) == len(set(posted))


def test_a_server_that_swallows_packets_holds_up_nobody_else(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    """A connection to 192.0.2.1 (reserved for documentation) is never answered."""
    quick = {"connectTimeoutMilliseconds": 1000}
    api.apply(redis_config(namespace, 6379, name="void", connection={"host": "192.0.2.1", **quick}))
    api.create_many([queue(namespace, f"void-{number}", redisConfigRef={"name": "void"}) for number in range(40)])
    operator = start_operator("--namespace", namespace, "--workers", "2")
    api.wait("RedisConfig", namespace, "void", status="False")
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    began = time.monotonic()
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < 15
    assert operator.probe("/healthz")[0] == 200


def test_a_rotated_password_heals_when_the_secret_has_the_new_one(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "first")
    api.apply(
        secret(namespace, "redis", password="first"),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs"),
    )
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    client.config_set("requirepass", "second")
    client.client_kill_filter(skipme=True, _type="normal")
    api.apply(queue(namespace, "jobs", maxRetries=7))  # something to do, with the old password
    api.wait("Queue", namespace, "jobs", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "default", "Reachable", status="False", reason="AuthFailed")
    api.apply(secret(namespace, "redis", password="second"))
    began = time.monotonic()
    api.wait("RedisConfig", namespace, "default")
    api.wait("Queue", namespace, "jobs")
    assert time.monotonic() - began < NOT_WELL + 5


def test_a_password_rotated_in_both_places_is_never_a_failure(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "first")
    connection = {"passwordSecretRef": REFERENCE}
    api.apply(secret(namespace, "redis", password="first"), redis_config(namespace, server.port, connection=connection))
    api.apply(queue(namespace, "jobs"))
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    client.config_set("requirepass", "second")
    api.apply(secret(namespace, "redis", password="second"))
    client.client_kill_filter(skipme=True, _type="normal")
    for number in (8, 9):
        api.apply(queue(namespace, "jobs", maxRetries=number))
        api.wait("Queue", namespace, "jobs", within=10)
    assert "AuthFailed" not in [reason for _, reason, _ in api.events(namespace, "jobs")]


def test_what_a_reference_lacks_is_named_and_found_when_it_is_created(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server("--requirepass", "canary-password")
    api.apply(queue(namespace, "jobs"))
    api.wait("Queue", namespace, "jobs", status="False", reason="RedisConfigNotFound")
    api.apply(redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}))
    api.wait("RedisConfig", namespace, "default", "Reachable", status="False", reason="SecretNotFound")
    api.wait("Queue", namespace, "jobs", status="False", reason="SecretNotFound")
    api.apply(secret(namespace, "redis", other="x"))
    api.wait("RedisConfig", namespace, "default", status="False", reason="SecretKeyMissing", within=NOT_WELL + 5)
    api.apply(secret(namespace, "redis", password="canary-password\n"))
    api.wait("RedisConfig", namespace, "default", status="False", reason="SecretUnreadable", within=NOT_WELL + 5)
    api.apply(secret(namespace, "redis", password="canary-password"))
    api.wait("RedisConfig", namespace, "default", within=NOT_WELL + 5)
    api.wait("Queue", namespace, "jobs", within=NOT_WELL + 5)


def test_a_password_is_found_nowhere_but_in_its_secret(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], own_server: Callable[..., Server]
) -> None:
    canary = "canary-3f9a17c2"
    server = own_server("--requirepass", canary)
    password = {"passwordSecretRef": REFERENCE}
    operator = start_operator("--namespace", namespace, STANINE_LOG_LEVEL="DEBUG")
    api.apply(
        secret(namespace, "redis", password=canary, wrong=f"{canary}-wrong", user=canary),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs"),
        redis_config(namespace, server.port, "wrong", keyNamespace="a", connection={"passwordSecretRef": REFERENCE | {"key": "wrong"}}),
        redis_config(namespace, server.port, "user", keyNamespace="b", connection={"usernameSecretRef": REFERENCE} | password),
        redis_config(namespace, server.port, "tls", keyNamespace="c", connection={"passwordSecretRef": REFERENCE, "tls": {}}),
        redis_config(namespace, server.port, "ca", keyNamespace="d", connection={"tls": {"caSecretRef": REFERENCE}}),
    )  # fmt: skip
    api.wait("Queue", namespace, "jobs")
    api.wait("RedisConfig", namespace, "wrong", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "user", status="False", reason="AuthFailed")
    api.wait("RedisConfig", namespace, "tls", status="False", reason="TLSHandshakeFailed")
    api.wait("RedisConfig", namespace, "ca", status="False", reason="SecretUnreadable")
    operator.stop()
    everything = [operator.log.read_text()]
    everything += [str(api.list_all(kind, namespace)) for kind in ("RedisConfig", "Queue", "Instrument", "Event", "ConfigMap")]
    stored = redis.Redis(port=server.port, password=canary)
    everything += [str(stored.hgetall(key)) for key in stored.scan_iter() if stored.type(key) == b"hash"]
    assert len(everything[0]) > 1000
    assert not [text for text in everything if canary in text]


def test_an_operator_that_was_killed_goes_on_where_it_was(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    operator = start_operator()
    api.apply(redis_config(namespace, port))
    api.create_many([queue(namespace, f"q-{number}") for number in range(30)])
    time.sleep(0.3)
    operator.kill()
    api.apply(queue(namespace, "late", maxRetries=3))
    operator.start()
    for number in range(30):
        api.wait("Queue", namespace, f"q-{number}")
    api.wait("Queue", namespace, "late")


def test_a_restart_changes_nothing_where_all_is_well(
    api: Api, namespace: str, start_operator: Callable[..., OperatorProcess], port: int
) -> None:
    """Every restart is a turn for everything: what is well is not written, and nothing is posted again."""
    operator = start_operator()
    api.apply(redis_config(namespace, port), *(queue(namespace, f"q-{number}", deletionPolicy="Delete") for number in range(5)))
    for number in range(5):
        api.wait("Queue", namespace, f"q-{number}")
    api.wait("RedisConfig", namespace, "default")
    time.sleep(1)
    before, posted = versions(api, namespace), len(api.list_all("Event", namespace))
    for _ in range(3):
        assert operator.stop() == 0
        operator.start()
        deadline = time.monotonic() + BOUND
        while operator.metric("stanine_operator_reconciles_total", outcome="ready") < 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert versions(api, namespace) == before
    assert len(api.list_all("Event", namespace)) == posted


def test_it_stops_within_seconds_also_while_redis_hangs(api: Api, namespace: str, start_operator: Callable[..., OperatorProcess]) -> None:
    api.apply(redis_config(namespace, 6379, connection={"host": "192.0.2.1", "connectTimeoutMilliseconds": 3000}))
    operator = start_operator()
    time.sleep(1)
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < 15
    assert operator.lines()[-1]["event"] == "operator.stopped"


def test_deleting_a_queue_while_redis_is_down_ends_within_a_minute_with_a_warning(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    server = own_server()
    api.apply(redis_config(namespace, server.port), queue(namespace, "jobs", deletionPolicy="Delete"))
    made = api.wait("Queue", namespace, "jobs")
    assert made["metadata"]["finalizers"] == ["stanine.dev/operator"]
    stop_server(server)
    began = time.monotonic()
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=BOUND)
    assert time.monotonic() - began < BOUND
    assert ("Warning", "ConnectionRefused") in [event[:2] for event in api.events(namespace, "jobs")]
    assert "left as it is" in api.events(namespace, "jobs")[-1][2]


def test_deleting_everything_at_once_leaves_nothing_behind(
    api: Api, namespace: str, operator: OperatorProcess, own_server: Callable[..., Server]
) -> None:
    """The RedisConfig and its Secret are gone at once; what they led to is still released through the connection that is open."""
    server = own_server("--requirepass", "first")
    api.apply(
        secret(namespace, "redis", password="first"),
        redis_config(namespace, server.port, connection={"passwordSecretRef": REFERENCE}),
        queue(namespace, "jobs", deletionPolicy="Delete"),
    )
    api.wait("Queue", namespace, "jobs")
    client = redis.Redis(port=server.port, password="first")
    assert list(client.scan_iter("*q:jobs*"))
    api.delete("Secret", namespace, "redis")
    api.delete("RedisConfig", namespace, "default")
    api.wait_gone("RedisConfig", namespace, "default")
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=20)
    assert not list(client.scan_iter("*q:jobs:ready*"))


def test_a_queue_whose_redis_config_never_was_is_deleted_soon(api: Api, namespace: str, operator: OperatorProcess) -> None:
    api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
    api.wait("Queue", namespace, "jobs", status="False", reason="RedisConfigNotFound")
    began = time.monotonic()
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=30)
    assert time.monotonic() - began < 30
    assert ("Warning", "RedisConfigNotFound") in [event[:2] for event in api.events(namespace, "jobs")]


def test_the_finalizer_follows_the_deletion_policy(api: Api, namespace: str, operator: OperatorProcess, port: int) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs"))
    assert "finalizers" not in api.wait("Queue", namespace, "jobs")["metadata"]
    api.apply(queue(namespace, "jobs", deletionPolicy="Delete"))
    assert api.wait("Queue", namespace, "jobs")["metadata"]["finalizers"] == ["stanine.dev/operator"]
    api.patch("Queue", namespace, "jobs", {"metadata": {"finalizers": ["stanine.dev/operator", "example.com/other"]}})
    api.apply(queue(namespace, "jobs", deletionPolicy="Retain"))
    assert api.wait("Queue", namespace, "jobs")["metadata"]["finalizers"] == ["example.com/other"]


def test_a_paused_resource_is_left_alone_and_keeps_its_ready(
    api: Api, namespace: str, operator: OperatorProcess, port: int, redis_url: str
) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs", maxRetries=1))
    ready = next(each for each in api.wait("Queue", namespace, "jobs")["status"]["conditions"] if each["type"] == "Ready")
    api.patch("Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": "true"}}})
    api.wait("Queue", namespace, "jobs", "Paused", reason="ReconciliationPaused")
    client = redis.Redis.from_url(redis_url)
    settings = queue_keys(Keys("stanine").partition, "jobs").settings
    before = client.hgetall(settings)
    api.apply(queue(namespace, "jobs", maxRetries=2))
    time.sleep(2)
    assert client.hgetall(settings) == before
    found = api.get("Queue", namespace, "jobs")
    assert next(each for each in found["status"]["conditions"] if each["type"] == "Ready") == ready
    api.patch("Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": None}}})
    api.wait("Queue", namespace, "jobs")
    assert client.hgetall(settings) != before
    api.wait("Queue", namespace, "jobs", "Paused", status="False")


def test_a_paused_resource_can_be_deleted_and_its_data_stays(api: Api, namespace: str, operator: OperatorProcess, port: int) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "jobs", deletionPolicy="Delete"))
    api.wait("Queue", namespace, "jobs")
    api.patch("Queue", namespace, "jobs", {"metadata": {"annotations": {"stanine.dev/paused": "true"}}})
    api.wait("Queue", namespace, "jobs", "Paused", reason="ReconciliationPaused")
    api.delete("Queue", namespace, "jobs")
    api.wait_gone("Queue", namespace, "jobs", within=20)
    assert list(redis.Redis(port=port).scan_iter("*jobs*"))
    assert ("Warning", "PausedKept") in [event[:2] for event in api.events(namespace, "jobs")]


def test_two_faults_after_another_are_both_told_and_a_new_generation_is_always_judged(
    api: Api, namespace: str, operator: OperatorProcess, port: int
) -> None:
    api.apply(redis_config(namespace, port))
    api.wait("RedisConfig", namespace, "default")
    api.apply(redis_config(namespace, free_port()))
    api.wait("RedisConfig", namespace, "default", status="False", reason="ConnectionRefused")
    api.apply(redis_config(namespace, port, connection={"host": "no-such-host.invalid"}))
    api.wait("RedisConfig", namespace, "default", status="False", reason="NameNotFound")
    api.apply(redis_config(namespace, port))
    api.wait("RedisConfig", namespace, "default", within=10)


# --------------------------------------------------------------------------------------------------------------- an API server of one's own


@pytest.fixture
def own_api_server(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server that may be stopped, without the definitions."""
    server = start_api_server(tmp_path / "kubernetes")
    yield server
    server.stop()


@pytest.fixture
def own_api(own_api_server: ApiServer) -> Iterator[Api]:
    """An administrator of that API server."""
    api = Api(own_api_server.kubeconfig)
    yield api
    api.close()


def test_an_api_server_that_was_away_is_followed_again_and_definitions_may_come_late(
    own_api_server: ApiServer, own_api: Api, tmp_path: Path, port: int
) -> None:
    api = own_api
    api.make_namespace("n")
    process = OperatorProcess(api.kubeconfig, tmp_path / "operator.log", ("--all-namespaces",))
    process.launch()
    try:
        _until(lambda: "not installed" in process.probe("/readyz")[1], 20)
        assert process.probe("/healthz")[0] == 200
        api.install_definitions()
        _until(process.is_ready, 20)
        api.apply(redis_config("n", port), queue("n", "jobs"))
        api.wait("Queue", "n", "jobs")
        own_api_server.stop("kube-apiserver", sig=signal.SIGKILL)
        time.sleep(8)  # longer than the first pauses between tries
        assert process.probe("/healthz")[0] == 200, "an API server that is away is no reason to be started anew"
        own_api_server.start()
        api.apply(queue("n", "jobs", maxRetries=4))
        api.apply(queue("n", "more"))
        api.wait("Queue", "n", "jobs", within=BOUND)
        api.wait("Queue", "n", "more", within=BOUND)
    finally:
        assert process.stop() == 0


def test_a_namespace_that_is_deleted_is_gone_soon(own_api: Api, tmp_path: Path, port: int) -> None:
    assets = find_assets()
    need("kube-controller-manager", found=assets is not None and (assets / "kube-controller-manager").exists())
    assert assets is not None
    api = own_api
    api.install_definitions()
    for name in ("doomed", "other"):
        api.make_namespace(name)
    command = [str(assets / "kube-controller-manager"), "--kubeconfig", str(api.kubeconfig), "--controllers", "namespace-controller",
               "--leader-elect=false", "--secure-port", str(free_port()), "--cert-dir", str(tmp_path)]  # fmt: skip
    with (tmp_path / "controllers.log").open("wb") as log:
        controllers = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        with running(OperatorProcess(api.kubeconfig, tmp_path / "operator.log", ("--all-namespaces",))):
            api.apply(redis_config("doomed", port), redis_config("other", port, keyNamespace="other"), queue("other", "jobs"))
            api.apply(*(queue("doomed", f"q-{number}", deletionPolicy="Delete") for number in range(5)))
            for number in range(5):
                api.wait("Queue", "doomed", f"q-{number}")
            api.request("DELETE", "/api/v1/namespaces/doomed")
            _until(
                lambda: not any(each["metadata"]["name"] == "doomed" for each in api.request("GET", "/api/v1/namespaces")["items"]), BOUND
            )
            api.apply(queue("other", "jobs", maxRetries=5))
            api.wait("Queue", "other", "jobs")
    finally:
        controllers.kill()
        controllers.wait(20)


def _until(check: Callable[[], object], within: float) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)
