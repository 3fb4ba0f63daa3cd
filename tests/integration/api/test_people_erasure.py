"""Erasure and retention over HTTP: no personal data remain, and nothing restores them."""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.api.filling import NAME, Person, day, invite, open_session, start
from tests.integration.api.serving import Serving, key_entry, problem, write_keys

WHOLE = {"calm": 4, "drink": 0}
CANARY = "canary-person"


@pytest.fixture
def api(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(
        path, key_entry("erases-a", ["erase"], ["a-*"]), key_entry("erases-b", ["erase"], ["b-*"])
    )
    serving = Serving(valkey.url, f"api-erasing-{time.monotonic_ns()}", path)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def everything(api: Serving) -> bytes:
    """Return all keys and values of the namespace, including packed answers."""
    client: Any = api.redis
    keys = sorted(client.scan_iter(match=f"*{api.keys.partition}*", count=1000))
    return b"\n".join(keys) + b"\n".join(_value(client, key) for key in keys)


def _value(client: Any, key: bytes) -> bytes:
    match client.type(key):
        case b"hash":
            return b" ".join(part for pair in client.hgetall(key).items() for part in pair)
        case b"set":
            return b" ".join(client.smembers(key))
        case b"zset":
            return b" ".join(client.zrange(key, 0, -1))
        case b"string":
            return bytes(client.get(key))
        case b"stream":
            entries = client.xrange(key)
            return b" ".join(part for _, each in entries for pair in each.items() for part in pair)
    return b""


def filled(api: Serving, **order: Any) -> tuple[Person, dict[str, Any], dict[str, Any]]:
    """An invited participant who has submitted."""
    invited = invite(api, participant=CANARY, key=f"canary-key-{secrets.token_hex(4)}", **order)
    person = Person(api, start(api, invited["code"]))
    assert person.save(1, WHOLE | {"note": "canary-note"}).status_code == 200
    return person, invited, person.submit().json()


def test_erasing_an_attempt_erases_its_session_and_invitation(api: Serving) -> None:
    person, invited, done = filled(api)
    api.score(done)
    assert b"canary" in everything(api)
    problem(api.http("erases-b").delete(f"/v1/attempts/{done['attempt']}"), "not-found")
    assert api.http("erases-a").delete(f"/v1/attempts/{done['attempt']}").status_code == 204
    assert b"canary" not in everything(api)
    problem(api.http().delete(f"/v1/attempts/{done['attempt']}"), "not-found")
    problem(api.http().get(f"/v1/attempts/{done['attempt']}"), "not-found")
    problem(api.http(person.token).get(f"/v1/sessions/{person.id}"), "not-found")
    problem(start(api, invited["code"]), "not-found")
    assert api.http().get(f"/v1/instruments/{NAME}/results").json()["items"] == []
    order = {"key": invited["key"], "answers": WHOLE}
    problem(api.http().post(f"/v1/instruments/{NAME}/attempts", json=order), "erased")
    line = (
        api.http()
        .post(
            f"/v1/instruments/{NAME}/attempts:bulk",
            json=order,
            headers={"content-type": "application/x-ndjson"},
        )
        .json()
    )
    assert (line["status"], line["problem"]["type"]) == (410, "urn:stanine:problem:erased")
    again = open_session(api, key=invited["key"])
    again.save(1, WHOLE)
    problem(again.submit(), "erased")


def test_a_participant_is_erased_everywhere_and_others_remain(api: Serving) -> None:
    filled(api)
    open_session(api, participant=CANARY).save(1, {"note": "canary-open"})
    invite(api, participant=CANARY)
    api.submit(NAME, participant=CANARY, answers=WHOLE)
    stays = open_session(api, participant="somebody")
    problem(api.http("erases-a").post(f"/v1/participants/{CANARY}:erase"), "missing-scope")
    assert api.http().post(f"/v1/participants/{CANARY}:erase").json() == {
        "attempts": 2,
        "sessions": 2,
        "invitations": 2,
    }
    assert b"canary" not in everything(api)
    assert api.http().post(f"/v1/participants/{CANARY}:erase").json() == {
        "attempts": 0,
        "sessions": 0,
        "invitations": 0,
    }
    assert stays.read()["state"] == "Open"
    metrics = api.http().get("/metrics").text
    assert "canary" not in metrics
    assert 'stanine_erased_total{by="order",kind="attempt"} 2.0' in metrics


#: Races: three in CI, 100 by `make soak`.
RACES = int(os.environ.get("STANINE_RACES", "3"))


@pytest.mark.parametrize("number", range(RACES))
def test_erasure_wins_every_race(api: Serving, number: int) -> None:
    """Sessions are opened, saved, submitted, swept and scored during the erasure."""
    ready = threading.Barrier(5)
    codes = [
        invite(
            api,
            participant=CANARY,
            key=f"canary-{number}-{n}",
            timeLimitSeconds=1 if n % 3 == 0 else 600,
        )["code"]
        for n in range(12)
    ]

    def fill(some: list[str]) -> None:
        ready.wait(10)
        for code in some:
            opened = start(api, code)
            if opened.is_success:
                person = Person(api, opened)
                person.save(1, WHOLE | {"note": "canary"})
                done = person.submit()
                if done.is_success:
                    api.score(done.json())

    def send_again() -> None:
        ready.wait(10)
        for n in range(12):
            line = {"key": f"canary-{number}-{n}", "participant": CANARY, "answers": WHOLE}
            api.http().post(
                f"/v1/instruments/{NAME}/attempts:bulk",
                json=line,
                headers={"content-type": "application/x-ndjson"},
            )

    def erase() -> None:
        ready.wait(10)
        for _ in range(5):
            assert api.http().post(f"/v1/participants/{CANARY}:erase").status_code == 200

    with ThreadPoolExecutor(5) as pool:
        runs = [pool.submit(fill, codes[start_at::3]) for start_at in range(3)] + [
            pool.submit(send_again),
            pool.submit(erase),
        ]
        for run in runs:
            run.result(60)
    # Data opened or sent after the last erasure are new; from here on nothing is sent.
    api.http().post(f"/v1/participants/{CANARY}:erase")
    api.sweep_sessions()
    before = api.http().get(f"/v1/instruments/{NAME}/results").json()["items"]
    assert before == []
    held = everything(api)
    assert b"canary" not in held
    for n in range(12):
        sent = api.http().post(
            f"/v1/instruments/{NAME}/attempts",
            json={"key": f"canary-{number}-{n}", "participant": CANARY, "answers": WHOLE},
        )
        assert sent.status_code in {202, 410}
    api.http().post(f"/v1/participants/{CANARY}:erase")
    api.sweep_sessions()
    assert b"canary" not in everything(api)


def test_attempts_past_their_retention_are_erased_and_others_remain(api: Serving) -> None:
    api.publish(day("a-kept", retentionDays=30))
    kept = [
        api.submit("a-kept", key=f"r{n}", participant=f"canary-{n}", answers=WHOLE)
        for n in range(5)
    ]
    other = api.submit(NAME, key="other", answers=WHOLE)
    api.score(*kept)
    api.score(other)
    api.keep_retention()
    assert len(api.http().get("/v1/instruments/a-kept/results").json()["items"]) == 5
    client: Any = api.redis
    for receipt in [*kept[:3], other]:  # as if they had arrived 31 days ago
        arrival = int(receipt["attempt"][22:], 16)
        key, slot = api.keys.attempts(arrival // 32), str(arrival % 32)
        record = client.hget(key, slot)
        then = int.from_bytes(record[:6], "big") - 31 * 86_400_000
        client.hset(key, slot, then.to_bytes(6, "big") + record[6:])
    api.keep_retention()
    assert [
        each["key"] for each in api.http().get("/v1/instruments/a-kept/results").json()["items"]
    ] == ["r3", "r4"]
    assert len(api.http().get(f"/v1/instruments/{NAME}/results").json()["items"]) == 1
    held = everything(api)
    assert [f"canary-{n}".encode() in held for n in range(5)] == [False, False, False, True, True]
    api.keep_retention()
    assert client.hget(api.keys.retention, "2") == b"3"
    api.publish(day("a-kept", retentionDays=1))
    api.keep_retention()
    assert len(api.http().get("/v1/instruments/a-kept/results").json()["items"]) == 2
