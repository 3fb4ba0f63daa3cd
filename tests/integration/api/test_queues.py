"""Queues over HTTP: states, operations and dead letters."""

import time
from typing import Any

import pytest
from tests.integration.api.serving import Serving, document, problem

from stanine.broker import QueueState, StreamsBroker
from stanine.broker.bootstrap import Ownership, QueueDeclaration, bootstrap
from stanine.broker.connection.ownership import Owner
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS

ATTEMPTS = "/v1/instruments/a-mood/attempts"


def bury(
    api: Serving, *, reason: str = "ValueError", ids: bytes = b"", route: Any = SCORE_ATTEMPTS
) -> str:
    """Store a dead letter as the broker does; return its id."""
    broker = StreamsBroker(client=api.redis, namespace=api.keys.partition)
    fields = {
        "reason": reason,
        "actor": route.actor,
        "queue": route.queue,
        "deliveries": 5,
        "created": 1_700_000_000_000,
    }
    content = {"died": 1_700_000_001_000, "h": broker.head(route.queue, route.actor), "i": ids}
    return bytes(api.redis.xadd(broker._queue(route.queue).keys.dead, fields | content)).decode()  # type: ignore[arg-type]


def test_the_queues_are_listed_with_their_sizes(mood: Serving) -> None:
    mood.submit(answers={"i1": 1})
    index, results = mood.http().get("/v1/queues").json()["items"]
    assert (index["queue"], results["queue"]) == ("index", "results")
    assert results["actor"] == "score_attempts"
    assert (
        results["state"],
        results["drained"],
        results["ready"],
        results["inFlight"],
        results["dead"],
    ) == ("Running", False, 1, 0, 0)
    assert 0 <= results["oldestSeconds"] < 60
    assert results["settings"]["leaseMs"] == 15_000
    assert mood.http().get("/v1/queues/results").json()["ready"] == 1
    for unknown in ("/v1/queues/default", "/v1/queues/results:stop", "/v1/queues/default/dead"):
        problem(mood.http().get(unknown), "not-found")
    mood.redis.hset(f"{mood.keys.partition}:q:results:settings", "lease_ms", "soon")
    faulty = mood.http().get("/v1/queues/results").json()
    assert "lease_ms" in faulty["faults"][0]


def test_a_queue_is_paused_and_resumed(mood: Serving) -> None:
    http = mood.http()
    assert http.post("/v1/queues/results:pause").json()["state"] == "Paused"
    mood.submit(answers={"i1": 1})  # new messages are still accepted
    assert http.get("/v1/queues/results").json()["state"] == "Paused"
    assert http.post("/v1/queues/results:resume").json()["state"] == "Running"
    problem(http.get("/v1/queues/results:pause"), "method-not-allowed")


def test_new_work_for_a_draining_queue_is_rejected_within_two_seconds(
    mood: Serving,
) -> None:
    http = mood.http()
    first = mood.submit(answers={"i1": 1})
    state = http.post("/v1/queues/results:drain").json()
    assert (state["state"], state["drained"], state["ready"]) == ("Draining", False, 1)
    began = time.monotonic()
    while http.post(ATTEMPTS, json={"answers": {"i1": 2}}).status_code == 202:
        assert time.monotonic() - began < 30
        time.sleep(0.05)
    answer = http.post(ATTEMPTS, json={"answers": {"i1": 2}})
    problem(answer, "draining")
    assert answer.headers["retry-after"] == "30"
    problem(
        http.post(
            f"{ATTEMPTS}:bulk",
            content=b'{"key": "k", "answers": {"i1": 1}}\n',
            headers={"content-type": "application/x-ndjson"},
        ),
        "draining",
    )
    assert http.get(f"/v1/attempts/{first['attempt']}").status_code == 200
    assert mood.publish(document(title="Other")).status_code == 200, "the other queue goes on"
    http.post("/v1/queues/index:drain")
    mood.see_states()
    problem(http.put("/v1/instruments/a-mood", json=document(title="Third")), "draining")
    for queue in ("index", "results"):
        http.post(f"/v1/queues/{queue}:resume")
    mood.see_states()
    mood.submit(answers={"i1": 2})


def test_a_part_of_a_queue_is_purged_once_per_token(mood: Serving) -> None:
    for _ in range(3):
        mood.submit(answers={"i1": 1})
    http = mood.http()
    order = {"part": "ready", "token": "t-1"}
    assert http.post("/v1/queues/results:purge", json=order).json() == {
        "count": 3,
        "repeated": False,
    }
    mood.submit(answers={"i1": 1})
    assert http.post("/v1/queues/results:purge", json=order).json() == {
        "count": 3,
        "repeated": True,
    }
    assert http.get("/v1/queues/results").json()["ready"] == 1
    problem(
        http.post("/v1/queues/results:purge", json={"part": "dead", "token": "t-1"}),
        "token-conflict",
    )


def test_a_cursor_after_an_unknown_dead_letter_is_answered_with_a_new_cursor(
    mood: Serving,
) -> None:
    last = bury(mood)
    assert mood.http().get("/v1/queues/results/dead", params={"after": last}).json()["items"] == []
    milliseconds, _, number = last.partition("-")
    answer = mood.http().get(
        "/v1/queues/results/dead", params={"after": f"{int(milliseconds) + 1}-{number}"}
    )
    problem(answer, "history-changed")
    again = mood.http().get("/v1/queues/results/dead", params={"after": answer.json()["next"]})
    assert [each["id"] for each in again.json()["items"]] == [last]


def test_dead_letters_are_listed_shown_requeued_and_deleted(mood: Serving) -> None:
    http = mood.http()
    attempt = "00" * 15 + "07"
    first = bury(mood, ids=bytes.fromhex(attempt))
    others = [bury(mood, reason="KeyError") for _ in range(3)]
    page = http.get("/v1/queues/results/dead", params={"limit": 3}).json()
    assert [each["id"] for each in page["items"]] == [first, *others[:2]]
    assert page["items"][0] == {
        "id": first, "reason": "ValueError", "actor": "score_attempts", "deliveries": 5,
        "createdAt": "2023-11-14T22:13:20.000Z", "diedAt": "2023-11-14T22:13:21.000Z", "about": [attempt],
    }  # fmt: skip
    rest = http.get("/v1/queues/results/dead", params={"after": page["next"]}).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == (others[2:], None)
    assert (
        len(http.get("/v1/queues/results/dead", params={"reason": "KeyError"}).json()["items"]) == 3
    )
    assert http.get(f"/v1/queues/results/dead/{first}").json() == page["items"][0]
    assert http.post("/v1/queues/results/dead:requeue", json={"ids": [first]}).json() == {
        "count": 1,
        "repeated": False,
    }
    problem(http.get(f"/v1/queues/results/dead/{first}"), "not-found")
    assert http.delete(f"/v1/queues/results/dead/{others[0]}").json()["count"] == 1
    problem(http.delete(f"/v1/queues/results/dead/{others[0]}"), "not-found")
    assert http.post("/v1/queues/results/dead:delete", json={"ids": others}).json()["count"] == 2
    bury(mood, ids=b"a-mood\n", route=BUILD_INDEX)
    bury(mood, ids=b"a-mood\n", route=BUILD_INDEX, reason="KeyError")
    assert http.get("/v1/queues/index/dead").json()["items"][0]["about"] == ["a-mood"]
    assert http.post(
        "/v1/queues/index/dead:requeue", json={"reason": "KeyError", "token": "x"}
    ).json() == {"count": 1, "repeated": False}
    assert http.post("/v1/queues/index/dead:delete", json={"all": True}).json() == {
        "count": 1,
        "repeated": False,
    }
    assert http.get("/v1/queues/index").json()["dead"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"all": false}', b'{"ids": []}', b'{"ids": ["x"]}', b'{"ids": ["1-1"], "all": true}', b'{"some": 1}',
             b'{"all": true, "token": "~x"}', b'{"token": "t"}', b'{"ids": ["1-1"], "token": "t"}', b"\xff"],
)  # fmt: skip
def test_an_invalid_order_is_rejected(shared: Serving, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    problem(
        shared.http().post("/v1/queues/results/dead:requeue", content=body, headers=headers),
        "invalid-request",
    )


def test_managed_state_is_not_changed_but_messages_are_handled(mood: Serving) -> None:
    http, manager = mood.http(), Owner("Queue default/results", "u1", "2026-11-23T00:00:00Z")
    declared = QueueDeclaration("results", ownership=Ownership(manager, QueueState.PAUSED))
    bootstrap(mood.redis, namespace=mood.keys.partition, queues=[declared])
    for order in ("resume", "drain"):
        refused = http.post(f"/v1/queues/results:{order}")
        problem(refused, "managed")
        assert "Queue default/results" in refused.json()["detail"]
    assert (
        http.post("/v1/queues/results:pause").json()["managedBy"] == "Queue default/results"
    )  # already paused: no change
    assert "managedBy" not in http.get("/v1/queues/index").json()
    letter = bury(mood)
    assert http.post("/v1/queues/results/dead:requeue", json={"ids": [letter]}).json()["count"] == 1
    assert http.post("/v1/queues/results:purge", json={"part": "ready"}).json()["count"] == 1
