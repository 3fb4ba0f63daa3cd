"""The list of changes: which API key changed what, in order, bounded, and without personal data."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
from tests.conftest import Server
from tests.integration.api.filling import NAME, day, invite, open_session
from tests.integration.api.serving import ADMIN, Serving, only, problem, write_keys

from stanine.store.changes import MAX_CHANGES


@pytest.fixture(scope="module")
def api(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    serving = Serving(valkey.url, f"api-audit-{secrets.token_hex(4)}", path)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def changes(api: Serving, **query: Any) -> list[dict[str, Any]]:
    answer = api.http().get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def last(api: Serving) -> dict[str, Any]:
    """Return the newest change without its time."""
    (found,) = changes(api, last=1)
    assert found.pop("at")
    return found


def test_a_change_is_listed_with_its_key_and_what_it_changed(api: Serving) -> None:
    api.http().put(f"/v1/instruments/{NAME}", json=day(title="Other"))
    entry = {"by": ADMIN, "resource": f"/v1/instruments/{NAME}"}
    assert last(api) == entry | {"action": "publishInstrument", "status": 200, "count": 1}
    api.http().patch("/v1/config", json={"settings": {"sweepSeconds": 31, "sessionDays": 40}})
    assert last(api) == {
        "by": ADMIN, "action": "changeConfig", "resource": "/v1/config", "status": 200, "count": 1,
        "names": ["sessionDays", "sweepSeconds"],
    }  # fmt: skip
    lines = "".join(f'{{"key": "k{n}"}}\n' for n in (1, 2, 2))
    nd = {"content-type": "application/x-ndjson"}
    invitations = f"/v1/instruments/{NAME}/invitations"
    key = only("invitations:write")
    api.http(key).post(f"{invitations}:bulk", content=lines, headers=nd)
    assert last(api) == {
        "by": key, "action": "createInvitations", "resource": f"{invitations}:bulk", "status": 200, "count": 2,
    }  # fmt: skip
    refused = api.http().post("/v1/config:rollback", json={"revision": 999})
    assert last(api)["status"] == refused.status_code == 404
    token = api.http().post("/v1/logins").json()["token"]
    assert last(api)["action"] == "beginLogin"
    api.http(token).post("/v1/queues/index:purge", json={"part": "dead"})
    assert last(api)["by"] == ADMIN, "a login acts as its key"
    assert last(api)["resource"] == "/v1/queues/index:purge"


def test_reads_answers_and_strangers_are_not_listed(api: Serving) -> None:
    before = changes(api, last=1000)
    api.http().get("/v1/instruments")
    api.http().get("/v1/config")
    api.submit(NAME, answers={"calm": 1})
    api.http().post(f"/v1/instruments/{NAME}/sessions", json={})
    api.http("a stranger").put(f"/v1/instruments/{NAME}", json=day())
    api.http(only("results:read")).put(f"/v1/instruments/{NAME}", json=day())
    assert changes(api, last=1000) == before


def test_an_extended_time_limit_is_listed_without_the_session(api: Serving) -> None:
    person, key = open_session(api, timeLimitSeconds=100), only("sessions:write")
    entry = {"by": key, "action": "extendSession", "resource": "/v1/sessions/{id}:extend"}
    for seconds, count in ((150, 1), (150, 0)):
        extend = {"timeLimitSeconds": seconds}
        assert api.http(key).post(f"/v1/sessions/{person.id}:extend", json=extend).is_success
        assert last(api) == entry | {"status": 200, "count": count}
    unlimited = open_session(api)
    api.http(key).post(f"/v1/sessions/{unlimited.id}:extend", json={"timeLimitSeconds": 150})
    assert last(api) == entry | {"status": 409}


def test_no_person_and_no_attempt_is_named(api: Serving) -> None:
    person, key = "canary-person", "canary-key"
    receipt = api.submit(NAME, answers={"calm": 1, "note": "canary-answer"}, participant=person)
    invite(api, participant=person, key=key, attributes={"sex": "female"})
    api.http().delete(f"/v1/attempts/{receipt['attempt']}")
    api.http().post(f"/v1/participants/{person}:erase")
    erased = [each for each in changes(api, last=10) if each["action"].startswith("erase")]
    assert [(each["resource"], each["count"]) for each in erased] == [
        ("/v1/attempts/{id}", 1),
        ("/v1/participants/{id}:erase", 1),
    ]
    client: Any = api.redis
    stored = client.dump(api.keys.audit) + client.dump(api.keys.audit_order)
    for secret in ("canary", receipt["attempt"], receipt["token"]):
        assert secret not in api.http().get("/v1/audit", params={"last": 1000}).text
        assert secret.encode() not in stored


def test_the_list_can_be_followed_and_misses_and_repeats_nothing(api: Serving) -> None:
    page = api.http().get("/v1/audit", params={"limit": 1}).json()
    listed, after = list(page["items"]), page["next"]
    for _ in range(3):
        invite(api)
        while (page := api.http().get("/v1/audit", params={"after": after, "limit": 2}).json())[
            "items"
        ]:
            listed += page["items"]
            after = page["next"]
    assert listed == changes(api, limit=1000)
    assert listed[-3:] == changes(api, last=3)
    problem(api.http().get("/v1/audit", params={"after": after, "last": 1}), "malformed-request")


def test_an_interrupted_change_is_listed_without_a_status(
    api: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes_of = api.api.asgi._recorder._changes

    async def lost(*_: Any) -> None:
        raise redis_py.ConnectionError

    monkeypatch.setattr(changes_of, "end", lost)
    assert invite(api)["code"], "the answer does not depend on it"
    assert "status" not in last(api)


def test_no_change_is_made_that_cannot_be_recorded(api: Serving) -> None:
    client: Any = api.redis
    kept = client.dump(api.keys.audit_order)
    client.delete(api.keys.audit_order)
    client.set(api.keys.audit_order, "another type")
    try:
        answer = api.http().post(f"/v1/instruments/{NAME}/invitations", json={"key": "unrecorded"})
        assert answer.status_code == 500
    finally:
        client.delete(api.keys.audit_order)
        client.restore(api.keys.audit_order, 0, kept)
    created = api.http().post(f"/v1/instruments/{NAME}/invitations", json={"key": "unrecorded"})
    assert created.status_code == 201


def test_the_list_is_bounded_and_a_cursor_that_left_it_is_answered_410(api: Serving) -> None:
    first = api.http().get("/v1/audit", params={"limit": 1}).json()["next"]
    client: Any = api.redis
    number = int(client.hget(api.keys.audit, "last"))
    names = [secrets.token_bytes(8) for _ in range(MAX_CHANGES)]
    record = client.hget(api.keys.audit, client.zrange(api.keys.audit_order, -1, -1)[0])
    client.hset(api.keys.audit, mapping=dict.fromkeys(names, record))
    client.hset(api.keys.audit, "last", number + MAX_CHANGES)
    client.zadd(api.keys.audit_order, {name: number + 1 + n for n, name in enumerate(names)})
    for _ in range(2):
        invite(api)
        assert client.zcard(api.keys.audit_order) <= MAX_CHANGES
        assert client.hlen(api.keys.audit) <= MAX_CHANGES + 1
    assert last(api)["action"] == "createInvitation"
    gone = problem(api.http().get("/v1/audit", params={"after": first}), "history-changed")
    assert len(changes(api, limit=5, **({"after": gone["next"]} if gone["next"] else {}))) == 5


def test_keys_are_listed_without_digests(api: Serving) -> None:
    answer = api.http(only("operate:read")).get("/v1/keys")
    found = {each["name"]: each for each in answer.json()["items"]}
    assert found[ADMIN]["instruments"] == ["*"]
    assert found[only("erase")] == {
        "name": only("erase"),
        "scopes": ["erase"],
        "instruments": ["*"],
    }
    for entry in api.api.asgi._keyring.entries:
        assert entry.sha256 not in answer.text
