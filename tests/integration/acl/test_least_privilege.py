"""Each process has exactly the rights in Redis that it needs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import need
from tests.integration.acl.conftest import PROCESSES, Guarded, guarded
from tests.integration.acl.rules import USERS, user_line
from tests.integration.whole.services import KEY, eventually

from stanine.broker.entry import GROUP
from stanine.store.settings.snapshot import SettingsLayout

EXAMPLES = Path(__file__).parents[3] / "examples"
YAML = {"Content-Type": "application/yaml"}

#: What the way below does not come to: a ping after 30 s of silence, a database other than 0, a third version of a function library.
SELDOM = {"ping", "select", "function|delete"}


def rule(where: Guarded, user: str) -> str:
    return user_line(user, where.services.namespace, "", with_operator=where.with_operator)


def stanine(guarded: Guarded, *words: str, user: str = "cli") -> "subprocess.CompletedProcess[str]":
    """Run a CLI command as a person does.

    Over HTTP with a key, and directly as the Redis user `cli`.
    """
    variables = {
        "STANINE_REDIS_URL": guarded.url(user), "STANINE_NAMESPACE": guarded.services.namespace,
        "STANINE_API_URL": guarded.services.url, "STANINE_KEY": KEY,
    }  # fmt: skip
    command = [sys.executable, "-m", "stanine.cli.main", *words]
    return subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )


def fill_in(url: str, client: httpx.Client) -> None:
    """Walk every route of people's data."""
    lines = "".join(json.dumps({"key": f"i{n}", "participant": "p-2"}) + "\n" for n in range(20))
    invited = [
        json.loads(line)
        for line in client.post(
            "/v1/instruments/gad-7/invitations:bulk", content=lines
        ).text.splitlines()
    ]
    order = {"participant": "p-3", "timeLimitSeconds": 600, "show": "AfterRelease"}
    single = client.post("/v1/instruments/gad-7/invitations", json=order).json()
    address = f"/v1/instruments/gad-7/invitations/{single['invitation']}"
    assert client.post(f"{address}:extend", json={"expiresAt": None}).status_code == 200
    answers = {f"g{n}": 1 for n in range(1, 8)}

    def start(code: str) -> tuple[str, dict[str, str]]:
        opened = httpx.post(
            f"{url}/v1/instruments/gad-7/sessions",
            headers={"authorization": f"Bearer {code}"},
            json={},
        ).json()
        return f"{url}/v1/sessions/{opened['session']}", {
            "authorization": f"Bearer {opened['token']}"
        }

    for number, each in enumerate([*invited[:6], single]):
        session, token = start(each["code"])
        saved = httpx.patch(
            session, headers=token, json={"seq": 1, "answers": answers | {"g1": None}}
        )
        assert (
            saved.status_code
            == httpx.patch(session, headers=token, json={"seq": 2, "answers": answers}).status_code
            == 200
        )
        assert httpx.get(session, headers=token).json()["seq"] == 2
        if number < 3:
            assert (
                httpx.post(f"{session}:submit?wait=20", headers=token, timeout=30).status_code
                == 202
            )
    assert httpx.post(f"{session}:withdraw", headers=token).status_code == 200
    timed = client.post(
        "/v1/instruments/gad-7/sessions", json={"participant": "p-3", "timeLimitSeconds": 1}
    ).json()
    address_of = f"/v1/sessions/{timed['session']}"
    httpx.patch(
        url + address_of,
        headers={"authorization": f"Bearer {timed['token']}"},
        json={"seq": 1, "answers": answers},
    )
    assert client.post(f"{address_of}:extend", json={"timeLimitSeconds": 2}).status_code == 200
    assert client.post("/v1/instruments/gad-7:release").json()["released"]
    assert client.post("/v1/instruments/gad-7:release", json={"released": False}).status_code == 200
    assert client.post(f"{address}:revoke").status_code == 200
    assert len(client.get("/v1/instruments/gad-7/invitations").json()["items"]) == 21

    def swept() -> bool:
        read = httpx.get(url + address_of, headers={"authorization": f"Bearer {timed['token']}"})
        return bool(read.json()["state"] == "Submitted")

    eventually(swept, 40)
    for person in ("p-2", "p-3"):
        assert client.post(f"/v1/participants/{person}:erase").json()["sessions"] >= 1


def log_in(url: str, client: httpx.Client) -> None:
    """Begin, use and end a login."""
    token = client.post("/v1/logins").json()["token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert client.get("/v1/audit").json()["items"]
    seen = client.get("/v1/status").json()["processes"]
    assert {each["service"] for each in seen} == {"api", "index-watcher", "result-watcher"}
    assert httpx.get(f"{url}/v1/logins/current", headers=bearer).status_code == 200
    assert httpx.delete(f"{url}/v1/logins/current", headers=bearer).status_code == 204


def until_at_rest(client: httpx.Client, queue: str) -> None:
    def rests() -> bool:
        stats = client.get(f"/v1/queues/{queue}").json()
        return not (stats["ready"] or stats["inFlight"] or stats["delayed"])

    eventually(rests, 30)


def test_all_operations_succeed_and_use_every_granted_right(running: Guarded) -> None:
    services, admin, keys = running.services, running.admin, running.keys
    running.denied()
    with services.client() as client:
        # publish, list, read; submit single and bulk, with and without a key; read attempts, results and lists
        document = (EXAMPLES / "instruments" / "gad-7.yaml").read_bytes()
        assert (
            client.put("/v1/instruments/gad-7?wait=20", content=document, headers=YAML).status_code
            == 201
        )
        assert client.get("/v1/instruments").json()["items"][0]["name"] == "gad-7"
        assert (
            client.get("/v1/instruments/gad-7").status_code
            == client.get("/v1/instruments/gad-7/form").status_code
            == 200
        )
        answers = {f"g{n}": 1 for n in range(1, 8)}
        one = client.post(
            "/v1/instruments/gad-7/attempts?wait=20",
            json={"answers": answers, "participant": "p-1"},
        )
        assert one.status_code == 200
        lines = "".join(
            json.dumps({"key": f"k{n}", "participant": "p-1", "answers": answers}) + "\n"
            for n in range(300)
        )
        bulk = client.post("/v1/instruments/gad-7/attempts:bulk", content=lines).text.splitlines()
        assert {json.loads(line)["status"] for line in bulk} == {202}
        attempt = one.json()["attempt"]
        assert (
            client.get(f"/v1/attempts/{attempt}").status_code
            == client.get(f"/v1/attempts/{attempt}/result").status_code
            == 200
        )
        until_at_rest(client, "results")
        assert client.get("/v1/participants/p-1/results?limit=400").status_code == 200
        assert stanine(running, "tokens", "rotate").returncode == 0
        assert len(client.get("/v1/instruments/gad-7/results?limit=400").json()["items"]) == 301
        listed = client.get("/v1/instruments/gad-7/attempts?include=answers,results")
        assert listed.text.count('"attempt"') == 301
        of_person = client.get("/v1/instruments/gad-7/attempts?participant=p-1")
        assert of_person.status_code == 200
        figures = client.get("/v1/instruments/gad-7/statistics").json()
        assert figures["groups"][0]["attempts"] >= 300

        # re-scored by a corrected document; the earlier result is kept, and read and erased with the attempt
        corrected = document.replace(b"from: 5,", b"from: 8,")
        answer = client.put("/v1/instruments/gad-7?wait=20", content=corrected, headers=YAML)
        assert answer.json()["indexed"], answer.text
        begun = client.post("/v1/instruments/gad-7:rescore")
        assert begun.status_code == 202, begun.text
        eventually(
            lambda: client.get("/v1/instruments/gad-7/rescoring").json()["state"] == "Completed", 30
        )
        history = client.get(f"/v1/attempts/{attempt}/result/history").json()["items"]
        assert [each["scales"]["anxiety"]["band"] for each in history] == ["mild"]
        assert len(client.get("/v1/participants/p-1/results?limit=1000").json()["items"]) == 301
        assert client.delete(f"/v1/attempts/{attempt}").status_code == 204

        # people: invited, filled in, submitted, swept, released, withdrawn, erased
        fill_in(services.url, client)
        log_in(services.url, client)

        # acknowledged from a replica, which is not there, and from the disk
        admin.hset(keys.config, "durability", "Replica")

        def nobody_confirms() -> bool:
            return (
                client.post(
                    "/v1/instruments/gad-7/attempts", json={"key": "replica", "answers": answers}
                ).status_code
                == 503
            )

        eventually(nobody_confirms, 20)
        admin.hset(keys.config, "durability", "Fsync")
        client.post(
            "/v1/instruments/gad-7/attempts?wait=20", json={"key": "durable", "answers": answers}
        )

        # settings by the CLI: show, history, rollback, in the string layout, and empty
        with running.configuring() as configuration:
            for layout, dual in (
                (SettingsLayout.HASH, True),
                (SettingsLayout.STRING, False),
                (SettingsLayout.HASH, False),
            ):
                configuration.migrate(layout, dual_write=dual)
                first = configuration.apply({"sweepSeconds": 1}).revision
                configuration.apply({})
                for revision in (first, first + 1):
                    assert stanine(running, "config", "rollback", str(revision)).returncode == 0
                assert (
                    stanine(running, "config").returncode
                    == stanine(running, "config", "history").returncode
                    == 0
                )
                configuration.memory()
            configuration.apply({"sweepSeconds": 1, "durability": "Fsync"})

        # queues by the CLI: pause, drain, limits, purge, dead letters
        for words in (
            ["list"],
            ["pause", "results"],
            ["resume", "results"],
            ["drain", "results", "--wait", "20"],
            ["resume", "results"],
        ):
            ran = stanine(running, "queues", *words)
            assert ran.returncode == 0, ran.stderr
        assert stanine(running, "queues", "pause", "index").returncode == 0
        assert (
            client.put(
                "/v1/instruments/gad-7",
                content=document.replace(b"title:", b"title: A", 1),
                headers=YAML,
            ).status_code
            == 200
        )
        stanine(running, "queues", "pause", "results")
        time.sleep(2.5)  # every consumer follows within 2 s
        client.post("/v1/instruments/gad-7/attempts", json={"key": "purged", "answers": answers})
        for part in ("ready", "delayed", "dead"):
            assert (
                stanine(
                    running, "queues", "purge", "results", part, "--token", f"purge-{part}"
                ).returncode
                == 0
            )
        eventually(
            lambda: admin.hlen(keys.requeued) > 0, 30
        )  # by the sweep: the attempt is due without a message
        dead = f"{keys.partition}:q:results:dead"
        letter = {
            "h": b"nonsense",
            "reason": "ValueError",
            "actor": "a",
            "deliveries": 5,
            "created": 1,
            "died": 2,
        }
        letters = [admin.xadd(dead, letter) for _ in range(3)]
        assert stanine(running, "queues", "dead", "results").returncode == 0
        assert stanine(running, "queues", "requeue", "results", letters[0].decode()).returncode == 0
        assert (
            stanine(running, "queues", "requeue", "results", "--reason", "ValueError").returncode
            == 0
        )
        assert stanine(running, "queues", "delete-dead", "results", "--all").returncode == 0
        assert stanine(running, "queues", "resume", "results").returncode == 0
        assert stanine(running, "queues", "resume", "index").returncode == 0

        # an undecodable message is dead-lettered, a delayed one promoted, a limited queue continues, the sweep finds
        # purged work
        admin.hset(
            f"{keys.partition}:q:results:settings",
            mapping={"rate_messages": 500, "rate_period_ms": 1000},
        )
        eventually(lambda: client.get("/v1/queues/results").json()["dead"] >= 2, 30)
        purged = client.post(
            "/v1/instruments/gad-7/attempts", json={"key": "purged", "answers": answers}
        ).json()["attempt"]
        eventually(lambda: client.get(f"/v1/attempts/{purged}/result").status_code == 200, 30)
        eventually(lambda: admin.hlen(keys.requeued) == 0, 30)

        # the index is lost: attempts may arrive before their entry, which is rebuilt on request or by the sweep
        admin.delete(keys.index, keys.index_changes, keys.index_change, keys.index_history)
        stanine(running, "queues", "pause", "index")
        client.post("/v1/instruments/gad-7/attempts", json={"key": "early", "answers": answers})
        stanine(running, "queues", "resume", "index")
        assert stanine(running, "check", "--scores").returncode in (0, 1)
        rebuilt = stanine(running, "check", "--rebuild-index")
        assert "asked for 1 instruments" in rebuilt.stderr, rebuilt.stderr
        eventually(lambda: admin.hlen(keys.index) > 0, 30)
        until_at_rest(client, "results")

        # a resultWatcher dies with attempts in progress, and another takes over
        admin.hset(
            f"{keys.partition}:q:results:settings",
            mapping={"rate_messages": 20, "rate_burst": 500, "lease_ms": 1000},
        )
        admin.hset(
            f"{keys.partition}:q:index:settings",
            mapping={"rate_messages": 100, "rate_period_ms": 1000},
        )
        services.signal("result-watcher", signal.SIGSTOP)
        lines = "".join(
            json.dumps({"key": f"late{n}", "answers": answers}) + "\n" for n in range(2000)
        )
        client.post("/v1/instruments/gad-7/attempts:bulk", content=lines)
        assert (
            stanine(running, "check", "--overdue", "0").returncode == 1
        )  # some have no result yet
        group = f"{keys.partition}:q:results:ready"
        admin.xreadgroup(GROUP, "a-dead-one", {group: ">"}, count=3)
        services.signal("result-watcher", signal.SIGCONT)
        services.kill("result-watcher")
        services.start("result-watcher")
        services.await_ready()
        until_at_rest(client, "results")
        for name in PROCESSES:
            assert services.health(name, "/metrics").status_code == 200
    for name in PROCESSES:
        services.terminate(name)
    services.start(*PROCESSES)
    services.await_ready()
    assert running.denied() == []
    # no granted right is unused: each command was called, here or below
    called = {name.removeprefix("cmdstat_").lower() for name in admin.info("commandstats")}
    words = [
        word.rstrip(")") for user in (*PROCESSES, "cli") for word in rule(running, user).split()
    ]
    granted = {word.removeprefix("+") for word in words if word.startswith("+")}
    assert granted - called <= SELDOM


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "CONFIG GET requirepass",
        "CONFIG SET maxmemory 1",
        "DEBUG SLEEP 0",
        "ACL LIST",
        "ACL SETUSER me on nopass +@all",
        "EVAL return 1 0",
        "SCRIPT LOAD x",
        "SHUTDOWN",
        "SAVE",
        "REPLICAOF no one",
        "MONITOR",
        "CLIENT LIST",
        "FUNCTION FLUSH",
        "FUNCTION DUMP",
        "MODULE LIST",
        "MIGRATE h 1 k 0 1",
        "RANDOMKEY",
        "DBSIZE",
        "DEL {p}:a:0",
        "RENAME {p}:a:0 {p}:a:1",
        "GET elsewhere",
        "SET elsewhere 1",
        "HGET other:{{p0}}:config durability",
        "XADD other:{{p0}}:q:results:ready * h 1",
        "SUBSCRIBE elsewhere",
    ],
)
@pytest.mark.parametrize("user", PROCESSES)
def test_dangerous_commands_are_denied_to_services(
    running: Guarded, user: str, command: str
) -> None:
    assert_refused(running, user, command)


@pytest.mark.parametrize(
    ("user", "command"),
    [
        # the API cannot write results or the index
        ("api", "SET {p}:c:1:0 x"),
        ("api", "HSET {p}:index gad-7/1 x"),
        ("api", "XREADGROUP GROUP stanine me STREAMS {p}:q:results:ready >"),
        ("api", "PUBLISH {p}:committed x"),
        # the indexWatcher cannot read answers, results or keys, and cannot forge instruments or attempts
        ("index-watcher", "HGETALL {p}:a:0"),
        ("index-watcher", "HGETALL {p}:r:0"),
        ("index-watcher", "HGETALL {p}:k:0:1"),
        ("index-watcher", "HGETALL {p}:l:0"),
        ("index-watcher", "HGETALL {p}:secret"),
        ("index-watcher", "HSET {p}:instrument:x revision 1"),
        ("index-watcher", "XADD {p}:q:results:ready * h x"),
        ("index-watcher", "HSET {p}:config durability Everysec"),
        # the resultWatcher cannot publish instruments, change attempts or index entries, or create tokens
        ("result-watcher", "HSET {p}:instrument:x revision 1"),
        ("result-watcher", "ZADD {p}:instruments 0 x"),
        ("result-watcher", "HSET {p}:a:0 0 x"),
        ("result-watcher", "HSET {p}:index gad-7/1 x"),
        ("result-watcher", "HGETALL {p}:secret"),
        ("result-watcher", "XADD {p}:q:index:ready * h x"),
        ("result-watcher", "HGETALL {p}:k:0:1"),
        ("result-watcher", "HSET {p}:config durability Everysec"),
        ("result-watcher", "SUBSCRIBE {p}:committed"),
        # the operator cannot read answers, results, keys or token secrets, flush the server or create users
        ("operator", "HGETALL {p}:a:0"),
        ("operator", "HGETALL {p}:r:0"),
        ("operator", "HGETALL {p}:k:0:1"),
        ("operator", "HGETALL {p}:secret"),
        ("operator", "HGETALL {p}:l:0"),
        ("operator", "FLUSHALL"),
        ("operator", "KEYS *"),
        ("operator", "ACL SETUSER me on nopass +@all"),
        ("operator", "DEBUG SLEEP 0"),
        ("operator", "SHUTDOWN"),
        ("operator", "EVAL return 1 0"),
        ("operator", "GET elsewhere"),
        ("operator", "FUNCTION FLUSH"),
        ("operator", "PUBLISH {p}:committed x"),
        # the CLI user cannot change records
        ("cli", "HSET {p}:a:0 0 x"),
        ("cli", "HSET {p}:r:0 0 x"),
        ("cli", "HSET {p}:instrument:x revision 1"),
        ("cli", "HGETALL {p}:secret"),
        ("cli", "HSET {p}:config durability Everysec"),
        ("cli", "FLUSHALL"),
        ("cli", "CONFIG GET requirepass"),
        ("cli", "FUNCTION LOAD x"),
        ("cli", "HGETALL {p}:l:0"),
        # KEDA can read the lengths of the two queues, but no messages
        ("keda", "XRANGE {p}:q:results:ready - +"),
        ("keda", "XADD {p}:q:results:ready * h x"),
        ("keda", "XINFO STREAM {p}:q:results:ready FULL"),
        ("keda", "XLEN {p}:q:results:dead"),
        ("keda", "XLEN other:{{p0}}:q:results:ready"),
        ("keda", "HGETALL {p}:a:0"),
        ("keda", "FCALL x 0"),
        ("keda", "FLUSHALL"),
    ],
)
def test_commands_of_other_users_are_denied(running: Guarded, user: str, command: str) -> None:
    assert_refused(running, user, command)


@pytest.fixture(scope="module", params=["the server of the tests", "redis 7.0"])
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """A server with the users, without processes."""
    binary = None
    if request.param == "redis 7.0":
        binary = shutil.which("redis-server")
        need("redis-server", found=binary is not None)
    made = guarded(tmp_path_factory.mktemp("users"), with_operator=True, server_binary=binary)
    try:
        yield made
    finally:
        made.admin.close()
        made.services.stop()


def test_functions_work_with_selectors_on_redis_7_0(tmp_path: Path) -> None:
    binary = shutil.which("redis-server")
    need("redis-server", found=binary is not None)
    made = guarded(tmp_path, with_operator=True, server_binary=binary)
    try:
        made.load_functions()
        made.admin.hset(made.keys.config, "sweepSeconds", 1)
        made.services.start(*PROCESSES)
        made.services.await_ready()
        made.denied()
        with made.services.client() as client:
            document = (EXAMPLES / "instruments" / "gad-7.yaml").read_bytes()
            assert (
                client.put(
                    "/v1/instruments/gad-7?wait=20", content=document, headers=YAML
                ).status_code
                == 201
            )
            answers = {f"g{n}": 1 for n in range(1, 8)}
            lines = "".join(
                json.dumps({"key": f"k{n}", "participant": "p", "answers": answers}) + "\n"
                for n in range(100)
            )
            answered = client.post(
                "/v1/instruments/gad-7/attempts:bulk", content=lines
            ).text.splitlines()
            assert {json.loads(line)["status"] for line in answered} == {202}
            until_at_rest(client, "results")
            assert len(client.get("/v1/instruments/gad-7/results?limit=400").json()["items"]) == 100
        eventually(lambda: int(made.admin.get(made.keys.low_water) or 0) > 0, 20)
        ran = stanine(made, "check", "--scores")
        assert ran.returncode == 0, ran.stderr
        assert made.denied() == []
    finally:
        made.admin.close()
        made.services.stop()


#: Commands that change or remove a string or a hash, independent of user.
_ON_TEXT = (
    "SET {key} 1",
    "SET {key} 1 GET",
    "APPEND {key} 1",
    "UNLINK {key}",
    "DEL {key}",
    "GETDEL {key}",
    "EXPIRE {key} 1",
    "DECR {key}",
)
_ON_HASH = (
    "UNLINK {key}",
    "DEL {key}",
    "HDEL {key} 0",
    "SET {key} 1",
    "HINCRBY {key} 0 1",
    "HSETNX {key} 0 1",
    "EXPIRE {key} 1",
)


@pytest.mark.parametrize(
    "command",
    [*_ON_TEXT, "RENAME {key} {key}2", "FCALL x 2 {key} {p}:secret", "FCALL x 2 {key} {p}:a:0"],
)
def test_the_counter_of_arrivals_cannot_be_set_or_removed(
    any_server: Guarded, command: str
) -> None:
    for user in USERS:
        assert_refused(any_server, user, command.replace("{key}", "{p}:arrivals"))


@pytest.mark.parametrize("command", [*_ON_HASH, "RENAME {key} {key}2", "FCALL x 1 {key}"])
def test_only_the_api_can_remove_an_attempt(any_server: Guarded, command: str) -> None:
    for user in USERS:
        if user == "api" and command.startswith("HDEL"):
            continue
        assert_refused(any_server, user, command.replace("{key}", "{p}:a:0"))


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("api", "FCALL submit 2 {p}:arrivals {p}:q:results:ready"),
        ("api", "FCALL list_results 1 {p}:arrivals"),
        ("api", "INCRBY {p}:arrivals 3"),
        ("api", "HSET {p}:a:0 0 x"),
        ("api", "HSET {p}:r:0 0 x"),
        ("api", "HDEL {p}:a:0 w"),
        ("api", "HMGET {p}:a:0 0 i"),
        ("result-watcher", "FCALL advance 3 {p}:arrivals {p}:low-water {p}:late"),
        ("result-watcher", "FCALL requeue 3 {p}:arrivals {p}:q:results:ready {p}:requeued"),
        ("result-watcher", "GET {p}:arrivals"),
        ("cli", "FCALL advance 3 {p}:arrivals {p}:low-water {p}:late"),
        ("cli", "GET {p}:arrivals"),
    ],
)
def test_commands_of_the_functions_are_allowed(
    any_server: Guarded, user: str, command: str
) -> None:
    assert allows(any_server, user, command)


def assert_refused(where: Guarded, user: str, command: str) -> None:
    """Assert that the server denies a command to a user, with any arguments."""
    assert not allows(where, user, command), f"{user} may {command}"


def allows(where: Guarded, user: str, command: str) -> bool:
    """Return whether a user may run a command: ACL DRYRUN changes nothing."""
    words = command.format(p=where.keys.partition).split()
    answer: Any = where.admin.execute_command("ACL", "DRYRUN", user, *words)
    return b"OK" in (answer if isinstance(answer, bytes) else str(answer).encode())
