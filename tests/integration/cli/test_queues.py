"""`stanine queues` with a running stack."""

import json
import secrets

import pytest
import redis

from stanine.broker.keys import queue_keys
from stanine.store.keys import Keys

from .conftest import Run, Up


def shown(stanine: Run, up: Up, *words: str) -> dict[str, object]:
    ran = stanine("queues", *words, "-o", "json", **up.variables)
    assert ran.status == 0, ran.err
    found: dict[str, object] = json.loads(ran.out)
    return found


def test_the_queues_are_listed_by_default(stanine: Run, up: Up) -> None:
    for words in (["queues"], ["queues", "list"]):
        lines = [line.split() for line in stanine(*words, **up.variables).out.splitlines()]
        assert lines[0] == [
            "QUEUE",
            "STATE",
            "READY",
            "INFLIGHT",
            "DELAYED",
            "DEAD",
            "OLDESTSECONDS",
            "CONSUMERS",
        ]
        assert [line[0] for line in lines[1:]] == ["index", "results"]
    rows = [
        line.split() for line in stanine("queues", "show", "index", **up.variables).out.splitlines()
    ]
    assert ["settings.leaseMs", "15000"] in rows


def test_a_queue_is_paused_drained_and_resumed(stanine: Run, up: Up) -> None:
    assert shown(stanine, up, "pause", "results")["state"] == "Paused"
    assert shown(stanine, up, "show", "results")["state"] == "Paused"
    drained = shown(stanine, up, "drain", "results", "--wait", "20")
    assert (drained["state"], drained["drained"]) == ("Draining", True)
    assert shown(stanine, up, "resume", "results")["state"] == "Running"


def test_dead_letters_are_listed_requeued_and_deleted(stanine: Run, up: Up) -> None:
    client = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])
    key = queue_keys(Keys("stanine").partition, "index").dead

    def bury(reason: str) -> str:
        fields = {
            "reason": reason,
            "actor": "build_index",
            "queue": "index",
            "deliveries": 5,
            "created": 1,
            "died": 2,
        }
        head = b'{"queue":"index","actor":"build_index"}'
        return bytes(client.xadd(key, fields | {"h": head, "i": b"nobody-knows\n"})).decode()  # type: ignore[arg-type]

    one, *_ = [bury("ValueError"), bury("KeyError"), bury("KeyError"), bury("OSError")]
    lines = stanine("queues", "dead", "index", "--limit", "3", **up.variables)
    assert [line.split()[1] for line in lines.out.splitlines()] == [
        "REASON",
        "ValueError",
        "KeyError",
        "KeyError",
    ]
    assert "more" in lines.err
    assert shown(stanine, up, "dead", "index", one)["about"] == ["nobody-knows"]
    assert shown(stanine, up, "delete-dead", "index", "--reason", "KeyError") == {
        "count": 2,
        "repeated": False,
    }
    assert shown(stanine, up, "delete-dead", "index", one) == {"count": 1, "repeated": False}
    token = secrets.token_hex(4)
    assert shown(stanine, up, "requeue", "index", "--all", "--token", token) == {
        "count": 1,
        "repeated": False,
    }
    assert shown(stanine, up, "requeue", "index", "--all", "--token", token) == {
        "count": 1,
        "repeated": True,
    }
    assert shown(stanine, up, "purge", "index", "dead")["count"] == 0
    client.close()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["show", "nothing"], 4, "was not found"),
        (["requeue", "index"], 2, "say which"),
        (["delete-dead", "index", "1-1", "--all"], 2, "say which"),
        (["purge", "index", "everything"], 2, "everything"),
        (["dead", "index", "1-1"], 4, "was not found"),
    ],
)
def test_an_invalid_argument_has_its_exit_status_and_message(
    stanine: Run, up: Up, words: list[str], status: int, says: str
) -> None:
    ran = stanine("queues", *words, **up.variables)
    assert (ran.status, ran.out) == (status, "")
    assert says in ran.err
