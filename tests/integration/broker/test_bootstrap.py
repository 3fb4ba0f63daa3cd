"""The bootstrap creates what is missing, is idempotent, and names each problem."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import redis
from tests.conftest import Server, free_port

from stanine.broker.bootstrap import (
    BootstrapReport,
    QueueDeclaration,
    bootstrap,
    bootstrap_until_ready,
)
from stanine.broker.connection.clients import connect
from stanine.broker.connection.errors import ServerError, ServerProblem
from stanine.broker.connection.functions import Library
from stanine.broker.entry import GROUP
from stanine.broker.library import library
from stanine.broker.settings import QueueSettings

NAMESPACE = "test:{t}"
QUEUES = [QueueDeclaration("index"), QueueDeclaration("results", QueueSettings(max_deliveries=7))]


@pytest.fixture
def open_client() -> Iterator[Any]:
    """Create clients without retries; closed after the test."""
    clients: list[redis.Redis] = []

    def make(url: str) -> "redis.Redis":
        clients.append(connect(url, retries=0, timeout=2))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def problem_of(client: "redis.Redis", **options: Any) -> ServerProblem:
    with pytest.raises(ServerError) as caught:
        bootstrap(client, **{"namespace": NAMESPACE, "queues": QUEUES, **options})
    return caught.value.problem


def test_it_creates_what_is_missing_and_is_idempotent(redis_url: str, open_client: Any) -> None:
    client = open_client(redis_url)
    client.function_flush()
    first = bootstrap(client, namespace=NAMESPACE, queues=QUEUES)
    assert first.libraries_loaded == (library().name,)
    assert first.settings_changed == ("index", "results")
    assert [group["name"] for group in client.xinfo_groups("test:{t}:q:index:ready")] == [
        GROUP.encode()
    ]
    assert client.hget("test:{t}:q:results:settings", "max_deliveries") == b"7"
    before = {key: client.dump(key) for key in client.scan_iter() if key != b"test:{t}:libraries"}
    assert bootstrap(client, namespace=NAMESPACE, queues=QUEUES) == BootstrapReport()
    assert {
        key: client.dump(key) for key in client.scan_iter() if key != b"test:{t}:libraries"
    } == before


def test_messages_sent_before_the_bootstrap_are_delivered(
    redis_url: str, make_broker: Any, run_worker: Any, open_client: Any
) -> None:
    broker = make_broker()
    seen: list[bytes] = []

    @dramatiq.actor(broker=broker, queue_name="index", batch="ids")
    def take(ids: bytes) -> None:
        seen.append(ids)

    take.send(ids=b"1")
    bootstrap(open_client(redis_url), namespace=NAMESPACE, queues=QUEUES)
    run_worker(broker)
    broker.join("index", timeout=5000)
    assert seen == [b"1"]


def test_only_the_authority_overwrites_settings(redis_url: str, open_client: Any) -> None:
    client = open_client(redis_url)
    key = "test:{t}:q:index:settings"
    client.hset(key, "max_deliveries", 9)
    bootstrap(client, namespace=NAMESPACE, queues=[QueueDeclaration("index")])
    assert client.hget(key, "max_deliveries") == b"9"
    assert client.hget(key, "lease_ms") == b"15000"
    bootstrap(
        client,
        namespace=NAMESPACE,
        queues=[QueueDeclaration("index", QueueSettings(max_deliveries=3), overwrite=True)],
    )
    assert client.hget(key, "max_deliveries") == b"3"


def test_the_current_and_the_previous_library_version_stay_loaded(
    redis_url: str, open_client: Any
) -> None:
    client = open_client(redis_url)
    client.function_flush()
    source = "#!lua name=sample_@VERSION@\nredis.register_function('sample_f_@VERSION@', function() return {} end)"
    versions = [Library("sample", source.format(number)) for number in range(4)]
    foreign = Library("sample", source.format(9))
    foreign.load(client)  # loaded by another namespace: must not be removed
    for version in versions:
        bootstrap(client, namespace=NAMESPACE, queues=[], libraries=[version])
        time.sleep(0.003)
    loaded = {
        name
        for name in (versions[at].name for at in range(4))
        if client.function_list(library=name)
    }
    assert loaded == {versions[2].name, versions[3].name}
    assert foreign.is_loaded(client)
    assert versions[0].call(client, "sample_f", []) == 0, (
        "who still calls an old one loads it again"
    )
    report = bootstrap(
        client, namespace=NAMESPACE, queues=[], libraries=[versions[2]]
    )  # a rollback
    assert versions[3].is_loaded(client)
    assert report.libraries_loaded == ()


def test_a_full_server_passes_if_nothing_is_missing(own_server: Any, open_client: Any) -> None:
    client = open_client(own_server().url)
    bootstrap(client, namespace=NAMESPACE, queues=QUEUES)
    client.set("ballast", b"x" * 30_000_000)
    client.config_set("maxmemory", 20_000_000)
    assert bootstrap(client, namespace=NAMESPACE, queues=QUEUES) == BootstrapReport()
    client.function_flush()
    assert problem_of(client).reason == "Full"


def test_a_wrong_and_a_missing_password_are_distinguished(
    own_server: Any, open_client: Any
) -> None:
    server: Server = own_server()
    open_client(server.url).config_set("requirepass", "secret")
    wrong = problem_of(open_client(f"redis://:wrong@127.0.0.1:{server.port}/0"))
    missing = problem_of(open_client(server.url))
    assert (wrong.reason, wrong.permanent) == ("AuthFailed", True)
    assert (missing.reason, missing.permanent) == ("AuthRequired", True)
    assert "wrong" not in str(wrong).replace("are wrong", "")
    bootstrap(
        open_client(f"redis://:secret@127.0.0.1:{server.port}/0"),
        namespace=NAMESPACE,
        queues=QUEUES,
    )


@pytest.mark.parametrize("part", ["ready", "delayed", "dead", "leases", "settings"])
def test_a_key_of_the_wrong_type_is_reported(redis_url: str, open_client: Any, part: str) -> None:
    client = open_client(redis_url)
    client.set(f"test:{{t}}:q:index:{part}", "mine")
    problem = problem_of(client)
    assert (problem.reason, problem.permanent) == ("WrongType", True)


@pytest.mark.parametrize(
    "rules",
    [
        "+@all ~other:*",
        "+@all -fcall ~*",
        "+@all -xgroup ~*",
        "+@all -function ~*",
        "+@all -info ~*",
    ],
    ids=["keys", "fcall", "inner command", "function load", "info"],
)
def test_a_missing_permission_is_reported(own_server: Any, open_client: Any, rules: str) -> None:
    server: Server = own_server()
    open_client(server.url).execute_command("ACL", "SETUSER", "worker", "on", ">pw", *rules.split())
    problem = problem_of(open_client(f"redis://worker:pw@127.0.0.1:{server.port}/0"))
    assert (problem.reason, problem.permanent) == ("PermissionMissing", True)


def test_the_permissions_that_a_worker_needs_are_enough(
    own_server: Any, make_broker: Any, run_worker: Any, open_client: Any
) -> None:
    server: Server = own_server()
    admin = open_client(server.url)
    bootstrap(admin, namespace=NAMESPACE, queues=[QueueDeclaration("default")])
    commands = (
        "fcall fcall_ro function|list info hello ping client|setinfo type time xadd xack xdel xrange xlen xtrim xclaim xpending "
        "xreadgroup xgroup xinfo zadd zrem zrange zscore zcard zcount get set hget hset hgetall hincrby"
    )
    rules = ("~test:{t}:*", *(f"+{command}" for command in commands.split()))
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", *rules)
    url = f"redis://worker:pw@127.0.0.1:{server.port}/0"
    assert (
        bootstrap(open_client(url), namespace=NAMESPACE, queues=[QueueDeclaration("default")])
        == BootstrapReport()
    )
    broker = make_broker(url)
    tries: list[int] = []

    @dramatiq.actor(broker=broker, min_backoff=10, max_backoff=10, max_retries=1)
    def fail() -> None:
        tries.append(1)
        raise ValueError

    worker = run_worker(broker)
    fail.send()
    broker.join("default", timeout=5000)
    worker.stop(5000)
    assert len(tries) == 2
    assert broker.stats("default").dead == 1


def test_an_evicting_server_is_rejected(own_server: Any, open_client: Any) -> None:
    server: Server = own_server("--maxmemory-policy", "allkeys-lru")
    problem = problem_of(open_client(server.url))
    assert (problem.reason, problem.permanent) == ("EvictionPolicy", True)
    assert "noeviction" in problem.remedy


def test_a_replica_is_rejected_until_it_is_the_primary(own_server: Any, open_client: Any) -> None:
    primary: Server = own_server()
    replica: Server = own_server("--replicaof", f"127.0.0.1 {primary.port}")
    client = open_client(replica.url)
    problem = problem_of(client)
    assert (problem.reason, problem.permanent) == ("ReadOnly", False)
    client.replicaof("NO", "ONE")
    bootstrap(client, namespace=NAMESPACE, queues=QUEUES)


def test_a_missing_server_and_another_kind_of_server_are_reported(open_client: Any) -> None:
    assert (
        problem_of(open_client(f"redis://127.0.0.1:{free_port()}/0")).reason == "ConnectionRefused"
    )
    assert problem_of(open_client("redis://no-such-host.invalid:6379/0")).reason == "NameNotFound"
    assert problem_of(open_client("unix:///nowhere/redis.sock")).permanent is False


def test_tls_to_a_server_without_it_is_reported(redis_url: str, open_client: Any) -> None:
    problem = problem_of(open_client(redis_url.replace("redis://", "rediss://")))
    assert (problem.reason, problem.permanent) == ("TLSHandshakeFailed", True)


def test_invalid_settings_are_reported(redis_url: str, open_client: Any) -> None:
    client = open_client(redis_url)
    client.hset("test:{t}:q:index:settings", mapping={"lease_ms": "soon", "max_deliveries": "many"})
    problem = problem_of(client)
    assert problem.reason == "SettingsInvalid"
    assert "lease_ms" in problem.remedy
    assert "max_deliveries" in problem.remedy


def test_it_waits_for_the_server_and_logs_once(
    own_server: Any, open_client: Any, wait_until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    client = open_client(f"redis://127.0.0.1:{port}/0")
    states: list[str | None] = []
    reports: list[BootstrapReport | None] = []
    stop = threading.Event()

    def run() -> None:
        reports.append(
            bootstrap_until_ready(
                client,
                namespace=NAMESPACE,
                queues=QUEUES,
                stop=stop,
                on_state=lambda problem: states.append(problem.reason if problem else None),
            )
        )

    with caplog.at_level(logging.INFO, "stanine.broker.bootstrap"):
        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: states)
        assert states == ["ConnectionRefused"]
        own_server(port=port)
        thread.join(10)
    assert states[-1] is None
    assert reports[0] is not None
    assert reports[0].libraries_loaded
    assert (
        len([record for record in caplog.records if "ConnectionRefused" in record.getMessage()])
        == 1
    )


def test_it_stops_when_the_stop_event_is_set(open_client: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    client = open_client(f"redis://127.0.0.1:{free_port()}/0")
    begun = time.monotonic()
    assert bootstrap_until_ready(client, namespace=NAMESPACE, queues=QUEUES, stop=stop) is None
    assert time.monotonic() - begun < 30
