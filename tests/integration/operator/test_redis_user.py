"""The operator's own Redis user has all needed permissions and can reload a changed ACL file."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import yaml
from tests.conftest import Server
from tests.integration.acl.rules import RULES, USERS, acl_file, user_line
from tests.integration.operator.harness import (
    Api,
    OperatorProcess,
    queue,
    redis_config,
    resource,
    secret,
)
from tests.integration.whole.services import eventually

from stanine.domain.scoring.result import ENGINE_VERSION

GAD_7 = yaml.safe_load(
    (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_text()
)
PASSWORDS = {user: f"{user}-password" for user in USERS}
#: Permissions for rare cases: a third version of a library, another database, an idle connection, an ACL file with
#: whole categories; and requests that a Queue resource does not offer (dead letters by id).
SELDOM = {"ping", "select", "function|delete", "acl|cat"}


def test_the_operators_user_has_all_permissions_and_keeps_users_current(
    api: Api,
    namespace: str,
    own_server: Callable[..., Server],
    start_operator: Callable[..., OperatorProcess],
    tmp_path: Path,
) -> None:
    text = acl_file("stanine", PASSWORDS, with_operator=True)
    path = tmp_path / "users.acl"
    path.write_text(text + "user tests on >t ~* &* +@all\n")
    server = own_server("--aclfile", str(path))
    admin: Any = redis.Redis(port=server.port, username="tests", password="t")
    settings = "stanine:{p0}:config"

    # a Secret like the chart's: the operator's credentials and the whole ACL file
    users = path.read_text()
    api.apply(
        secret(
            namespace,
            "redis",
            username="operator",
            password=PASSWORDS["operator"],
            **{"users.acl": users},
        )
    )
    connection = {
        "usernameSecretRef": {"name": "redis", "key": "username"},
        "passwordSecretRef": {"name": "redis", "key": "password"},
    }

    def configure(**spec: Any) -> None:
        api.apply(redis_config(namespace, server.port, **{"connection": dict(connection), **spec}))
        api.wait("RedisConfig", namespace, "default")

    operator = start_operator("--namespace", namespace)
    # the server's parameters; settings in both layouts, written to both, and an earlier revision brought back
    configure(server=[{"name": "maxmemory", "value": "64mb"}], settings={"sweepSeconds": 5})
    configure(settings={"sweepSeconds": 6}, compatibility="DualWrite")
    configure(settings={"sweepSeconds": 7}, layout="String")
    configure(settings={"sweepSeconds": 8}, layout="Hash")
    configure(settings={"sweepSeconds": 8}, rollbackTo=1)
    configure(settings={"sweepSeconds": 9})
    eventually(lambda: admin.hget(settings, "sweepSeconds") == b"9", 20)

    # a queue: created, requests, deleted with its content
    api.apply(queue(namespace, "results", deletionPolicy="Delete", rateLimit={"messages": 100}))
    api.wait("Queue", namespace, "results")
    stream, dead = (f"stanine:{{p0}}:q:results:{part}" for part in ("ready", "dead"))
    for _ in range(3):
        admin.xadd(
            dead,
            {
                "h": b"x",
                "reason": "ValueError",
                "actor": "a",
                "deliveries": 5,
                "created": 1,
                "died": 2,
            },
        )
        admin.xadd(stream, {"h": b"x", "i": b"y"})
    orders: dict[str, Any] = {
        "requeueDead": {"token": "1", "reason": "ValueError"},
        "purge": {"part": "Ready", "token": "2"},
    }
    api.apply(queue(namespace, "results", deletionPolicy="Delete", desiredState="Paused", **orders))
    eventually(lambda: admin.xlen(dead) == 0, 20)
    for part, token in (("Delayed", "3"), ("Dead", "4"), ("Ready", "5")):
        api.apply(
            queue(
                namespace,
                "results",
                deletionPolicy="Delete",
                desiredState="Running",
                purge={"part": part, "token": token},
            )
        )
        api.wait("Queue", namespace, "results")
    eventually(lambda: admin.xlen(stream) == 0, 20)
    api.delete("Queue", namespace, "results")
    api.wait_gone("Queue", namespace, "results")

    # an instrument: published twice, scored again on request, and removed with its resource
    api.apply(queue(namespace, "index"))
    for title in ("One", "Two"):
        api.apply(
            resource(
                "Instrument",
                namespace,
                "gad-7",
                GAD_7["spec"] | {"title": title, "deletionPolicy": "Delete"},
            )
        )
        api.wait("Instrument", namespace, "gad-7", "Published")
    partition = "stanine:{p0}"
    admin.hset(f"{partition}:index", "gad-7/1", struct.pack(">IH", 2, ENGINE_VERSION))
    admin.hset(f"{partition}:commits", 1, 1)
    again = {"title": "Two", "deletionPolicy": "Delete", "rescore": {"token": "again"}}
    api.apply(resource("Instrument", namespace, "gad-7", GAD_7["spec"] | again))
    eventually(lambda: admin.hget(f"{partition}:rescoring:1", "state") == b"Running", 20)
    admin.delete(f"{partition}:commits")
    api.delete("Instrument", namespace, "gad-7")
    api.wait_gone("Instrument", namespace, "gad-7")

    refused = admin.execute_command("ACL", "LOG")
    assert not refused, refused
    assert admin.info("commandstats").get("cmdstat_acl|load") is None
    called = {name.removeprefix("cmdstat_").lower() for name in admin.info("commandstats")}
    granted = {
        word[1:]
        for word in user_line("operator", "stanine", "", with_operator=True).split()
        if word.startswith("+")
    }
    seen_elsewhere = set(
        RULES["commandSets"]["queueOperating"]
    )  # requests by id, which a person makes by the API
    assert granted - called - seen_elsewhere - {"acl|load"} <= SELDOM  # that one comes now

    # a second password of the API is written to the Secret and, like by the kubelet, to the server's file
    more = acl_file("stanine", PASSWORDS | {"api": "another"}, with_operator=True)
    (added,) = [
        word
        for line in more.splitlines()
        if line.startswith("user api ")
        for word in line.split()
        if word.startswith("#")
    ]
    changed = users.replace("user api on ", f"user api on {added} ")
    path.write_text(changed)
    api.apply(
        secret(
            namespace,
            "redis",
            username="operator",
            password=PASSWORDS["operator"],
            **{"users.acl": changed},
        )
    )
    operator.stop()  # only to save time: a running operator reads Secrets every 30 s
    start_operator("--namespace", namespace)

    def is_let_in() -> bool:
        client: Any = redis.Redis(port=server.port, username="api", password="another")
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False
        finally:
            client.close()

    eventually(is_let_in, 120)
    eventually(
        lambda: any(reason == "UsersLoaded" for _, reason, _ in api.events(namespace, "default")),
        20,
    )
    admin.close()
