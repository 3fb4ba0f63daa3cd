"""Failover under load with Sentinel: services find the new primary; no acknowledged work is lost."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.cluster.conftest import VALKEY_IMAGE, Release, until
from tests.cluster.load import Ledger, load, score_of
from tests.cluster.servers import Place, namespace

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SERVERS = ("server-0", "server-1", "server-2")
SENTINELS = ("sentinel-0", "sentinel-1", "sentinel-2")
#: Milliseconds without a reply after which a sentinel considers a server down, and timeout of a failover.
DOWN_AFTER, FAILOVER_TIMEOUT = 2_000, 10_000
#: Seconds from the primary's death to the next acknowledged attempt: the above, an election, the callers' retry pause.
MOST_SECONDS = 30


@dataclass
class Watched:
    """Three servers, three sentinels with a separate password, and a release that uses them."""

    place: Place
    release: Release
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    sentinel_password: str = field(default_factory=lambda: secrets.token_hex(8))

    def begin_server(self, name: str, primary: str = "") -> None:
        """Start a server; with an address, as a replica of that server."""
        lines = [
            f"requirepass {self.password}", f"masterauth {self.password}", "dir /data", "appendonly yes", "appendfsync always",
            "maxmemory-policy noeviction", "repl-diskless-sync-delay 0", *([f"replicaof {primary} 6379"] if primary else []),
        ]  # fmt: skip
        self.place.give(name, {"server.conf": "\n".join(lines)})
        # the default is the source address of the replica's connection, which may be its node's
        self.place.begin(name, VALKEY_IMAGE, more=("--replica-announce-ip", "$(POD_IP)"))

    def begin_sentinel(self, name: str, primary: str) -> None:
        lines = [
            "port 26379", f"requirepass {self.sentinel_password}", "dir /data", f"sentinel monitor main {primary} 6379 2",
            f"sentinel auth-pass main {self.password}", f"sentinel down-after-milliseconds main {DOWN_AFTER}",
            f"sentinel failover-timeout main {FAILOVER_TIMEOUT}",
        ]  # fmt: skip
        self.place.give(name, {"server.conf": "\n".join(lines)})
        # Sentinel rewrites its configuration file, so it needs a writable copy
        start = "cp /etc/server/server.conf /data/sentinel.conf && exec valkey-server /data/sentinel.conf --sentinel"
        self.place.begin(name, VALKEY_IMAGE, port=26379, command=("sh", "-c", start))

    def ask(self, name: str, *words: str) -> str:
        """Send a command to a server."""
        return self.place.ask(name, "valkey-cli", "--no-auth-warning", "-a", self.password, *words)

    def ask_sentinel(self, *words: str) -> str:
        return self.place.ask(
            SENTINELS[0],
            "valkey-cli",
            "-p",
            "26379",
            "--no-auth-warning",
            "-a",
            self.sentinel_password,
            "SENTINEL",
            *words,
        )

    def primary(self) -> str:
        """Return the primary's address according to the sentinels."""
        return self.ask_sentinel("GET-MASTER-ADDR-BY-NAME", "main").split()[0]

    def run_id(self, name: str) -> str:
        return self.ask(name, "INFO", "server").partition("run_id:")[2].split()[0]

    def results(self) -> list[Any]:
        return [
            json.loads(line)
            for line in self.release.stanine("results", "smoke-test", "-o", "ndjson").splitlines()
        ]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with namespace("servers") as there, namespace("test") as here:
        made = Watched(Place(there), Release("helm", here))
        made.begin_server(SERVERS[0])
        made.place.wait(SERVERS[0])
        first = made.place.address(SERVERS[0])
        for name in SERVERS[1:]:
            made.begin_server(name, first)
        for name in SENTINELS:
            made.begin_sentinel(name, first)
        words = {"password": made.password, "sentinel-password": made.sentinel_password}
        made.release.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "redis"},
                "stringData": words,
            }
        )
        made.place.wait(*SERVERS, *SENTINELS)
        until(
            lambda: made.ask_sentinel("REPLICAS", "main").count("runid") == 2,
            30,
            "the sentinels know both replicas",
        )
        until(
            lambda: made.ask_sentinel("CKQUORUM", "main").startswith("OK 3"),
            30,
            "the sentinels know each other",
        )
        made.release.put({
            "valkey": {"enabled": False},
            "externalRedis": {
                "existingSecret": "redis",
                "sentinel": {
                    "enabled": True, "masterName": "main", "existingSecret": "redis",
                    "nodes": [{"host": made.place.host(name)} for name in SENTINELS],
                },
            },
        })  # fmt: skip
        yield made
        made.release.helm("uninstall", made.release.name, check=False)


def account(watched: Watched, ledger: Ledger) -> tuple[int, int]:
    """Check all scores; count acknowledged attempts without result and keys with two results."""
    rows = [row for row in watched.results() if row.get("key")]
    found = {row["key"]: row for row in rows}
    assert found.keys() <= ledger.sent
    assert all(row["scales"]["agreement_all"]["raw"] == score_of(key) for key, row in found.items())
    return len(set(ledger.acknowledged) - found.keys()), len(rows) - len(found)


def test_a_failover_loses_no_work_that_was_acknowledged_with_a_replica(watched: Watched) -> None:
    release, place = watched.release, watched.place
    release.smoke()
    assert watched.ask(SERVERS[0], "HSET", "stanine:{p0}:config", "durability", "Replica")
    before = release.get("redisconfig", "default")["status"]
    assert (before["role"], before["runId"]) == ("primary", watched.run_id(SERVERS[0]))
    first = watched.primary()
    with load(release.url, release.key) as ledger:
        until(lambda: len(ledger.acknowledged) > 300, 60, "load")
        place.kubectl("delete", "pod", SERVERS[0], "--grace-period=0", "--force")
        elected = until(
            lambda: watched.primary() != first, MOST_SECONDS, "the sentinels name another primary"
        )
        done = len(ledger.acknowledged)
        resumed = elected + until(
            lambda: len(ledger.acknowledged) > done + 20,
            MOST_SECONDS,
            "attempts are acknowledged again",
        )
        (successor,) = [name for name in SERVERS[1:] if place.address(name) == watched.primary()]
        watched.begin_server(SERVERS[0], watched.primary())
        place.wait(SERVERS[0])
        until(
            lambda: "connected_slaves:2" in watched.ask(successor, "INFO", "replication"),
            60,
            "the old one is a replica",
        )

        def follows() -> bool:
            status = release.get("redisconfig", "default")["status"]
            ready = {each["type"]: each["status"] for each in status["conditions"]}
            return (status["runId"], status["role"], ready["Reachable"], ready["Ready"]) == (
                watched.run_id(successor),
                "primary",
                "True",
                "True",
            )

        release.kubectl(
            "annotate", "redisconfig", "default", "example.com/look=again"
        )  # without a change the operator reconciles once a minute
        until(follows, 90, "the RedisConfig speaks of the successor")
    until(
        lambda: account(watched, ledger) == (0, 0),
        90,
        "every acknowledged attempt has its result, once",
    )
    failed = sum(ledger.failures.values())
    print(  # noqa: T201 - for people
        f"primary killed, durability Replica: {len(ledger.acknowledged)} acknowledged, 0 lost, 0 doubled, {failed} requests failed "
        f"{dict(ledger.failures) or ''}; another primary after {elected:.1f} s, acknowledging again after {resumed:.1f} s"
    )
    until(lambda: release.kubectl("get", "rcfg,sq").count(" True ") == 3, 60, "everything is Ready")
