"""Logins: a token in place of an API key, which ends by itself, by logging out, and with its key."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.api.filling import day
from tests.integration.api.serving import ADMIN, Serving, key_entry, problem, write_keys

from stanine.api.web.failed_logins import MAX_FAILED_OF_ADDRESS
from stanine.store.logins import IDLE_MS, LIFETIME_MS, MAX_LOGINS, MAX_LOGINS_PER_MINUTE, TOUCH_MS


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def api(valkey: Server, keys_file: Path) -> Iterator[Serving]:
    write_keys(keys_file)
    serving = Serving(valkey.url, f"api-logins-{secrets.token_hex(4)}", keys_file)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def log_in(api: Serving, key: str = ADMIN) -> dict[str, Any]:
    answer = api.http(key).post("/v1/logins")
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def stored(api: Serving) -> dict[bytes, float]:
    """Return the names of all stored logins and the ms that they are kept."""
    client: Any = api.redis
    names = client.scan_iter(match=f"{api.keys.partition}:login:*", count=1000)
    return {name: client.pttl(name) for name in names}


def set_keys(api: Serving, keys_file: Path, *more: Any, until: Any) -> None:
    """Change the keys file and wait until the API has read it."""
    write_keys(keys_file, *more)
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < 20
        time.sleep(0.05)


def test_a_login_is_accepted_wherever_its_key_is_and_says_what_the_key_may(api: Serving) -> None:
    login = log_in(api)
    token = login.pop("token")
    assert (login["key"], login["instruments"]) == (ADMIN, ["*"])
    assert "operate" in login["scopes"]
    assert api.http(token).get("/v1/queues").status_code == 200
    assert api.http(token).put("/v1/instruments/a-day", json=day()).status_code == 200
    assert api.http(token).get("/v1/logins/current").json() == login
    problem(api.http(token).post("/v1/logins"), "unauthenticated")


def test_neither_the_token_nor_the_key_is_stored(api: Serving, keys_file: Path) -> None:
    key = secrets.token_urlsafe(20)  # its name is stored, so that is another word
    scopes = ["instruments:read", "instruments:write"]
    entry = key_entry(key, scopes, ["*"], name="author")
    set_keys(api, keys_file, entry, until=lambda: api.http(key).get("/v1/instruments").is_success)
    token = log_in(api, key)["token"]
    assert api.http(token).put("/v1/instruments/a-day", json=day()).is_success
    client: Any = api.redis
    for name in client.scan_iter(match=f"*{api.keys.partition}*", count=1000):
        for secret in (token.encode(), key.encode()):
            assert secret not in name
            assert secret not in (client.dump(name) or b"")


def test_a_login_ends_by_logging_out(api: Serving) -> None:
    token, other = (log_in(api)["token"] for _ in range(2))
    assert api.http(token).delete("/v1/logins/current").status_code == 204
    problem(api.http(token).get("/v1/instruments"), "unauthenticated")
    problem(api.http(token).delete("/v1/logins/current"), "unauthenticated")
    assert api.http(other).get("/v1/instruments").status_code == 200


def test_a_login_has_the_present_scopes_of_its_key_and_ends_with_it(
    api: Serving, keys_file: Path
) -> None:
    key = "short-lived"
    both = key_entry(key, ["instruments:read", "operate:read"], ["*"])
    set_keys(api, keys_file, both, until=lambda: api.http(key).get("/v1/instruments").is_success)
    token = log_in(api, key)["token"]
    assert api.http(token).get("/v1/queues").status_code == 200
    fewer = key_entry(key, ["instruments:read"], ["*"])
    set_keys(
        api, keys_file, fewer, until=lambda: api.http(token).get("/v1/queues").status_code == 403
    )
    assert api.http(token).get("/v1/logins/current").json()["scopes"] == ["instruments:read"]
    assert api.http(token).get("/v1/instruments").status_code == 200
    set_keys(api, keys_file, until=lambda: api.http(key).get("/v1/queues").status_code == 401)
    problem(api.http(token).get("/v1/instruments"), "unauthenticated")
    # the same name with another key is another key
    set_keys(
        api,
        keys_file,
        key_entry(key, ["instruments:read"], ["*"]) | {"sha256": "0" * 64},
        key_entry("waiting", ["operate"], ["*"]),
        until=lambda: api.http("waiting").get("/v1/queues").is_success,
    )
    problem(api.http(token).get("/v1/instruments"), "unauthenticated")


def test_a_login_expires_without_use_and_at_its_end_however_it_is_used(api: Serving) -> None:
    token = log_in(api)["token"]
    (name,) = [each for each, left in stored(api).items() if left > IDLE_MS - 2000][-1:]
    for other in stored(api):
        if other != name:
            api.redis.delete(other)
    api.redis.pexpire(name, IDLE_MS - TOUCH_MS - 5000)
    assert api.http(token).get("/v1/instruments").status_code == 200
    assert IDLE_MS - 5000 < stored(api)[name] <= IDLE_MS, "its use extends it"
    ends: Any = api.redis.hget(name, "ends")
    soon = int(time.time() * 1000) + 60_000
    assert abs(int(ends) - soon - LIFETIME_MS + 60_000) < 20_000
    api.redis.hset(name, "ends", soon)
    api.redis.pexpire(name, 100)
    while api.redis.exists(name):
        time.sleep(0.01)
    problem(api.http(token).get("/v1/instruments"), "unauthenticated")


def test_a_login_is_not_extended_beyond_its_end(api: Serving) -> None:
    before = set(stored(api))
    token = log_in(api)["token"]
    (name,) = set(stored(api)) - before
    api.redis.hset(name, "ends", int(time.time() * 1000) + 100_000)
    api.redis.pexpire(name, 20_000)
    assert api.http(token).get("/v1/instruments").status_code == 200
    assert 80_000 < stored(api)[name] <= 100_000
    api.redis.hset(name, "ends", int(time.time() * 1000) - 1)
    problem(api.http(token).get("/v1/instruments"), "unauthenticated")


def test_the_logins_of_a_key_are_bounded_in_number_and_rate(api: Serving, keys_file: Path) -> None:
    key = "many"
    entry = key_entry(key, ["instruments:read"], ["*"])
    set_keys(api, keys_file, entry, until=lambda: api.http(key).get("/v1/instruments").is_success)
    owners: Any = set(api.redis.scan_iter(match=f"{api.keys.partition}:logins:*", count=1000))
    first = log_in(api, key)["token"]
    (owner,) = set(api.redis.scan_iter(match=f"{api.keys.partition}:logins:*", count=1000)) - owners
    for _ in range(MAX_LOGINS_PER_MINUTE - 1):
        log_in(api, key)
    refused = api.http(key).post("/v1/logins")
    assert problem(refused, "too-many-logins")["status"] == 429
    assert refused.headers["retry-after"] == "60"
    assert log_in(api)["token"], "another key has its own bound"
    redis: Any = api.redis
    for member in redis.zrange(owner, 0, -1):
        redis.zincrby(owner, -120_000, member)
    later = int(time.time() * 1000) - 90_000
    redis.zadd(owner, {secrets.token_bytes(32): later for _ in range(MAX_LOGINS)})
    assert api.http(first).get("/v1/instruments").status_code == 200
    newest = log_in(api, key)["token"]
    assert redis.zcard(owner) == MAX_LOGINS
    assert api.http(newest).get("/v1/instruments").status_code == 200
    problem(api.http(first).get("/v1/instruments"), "unauthenticated")


def test_an_address_with_too_many_failed_logins_waits_with_any_key(
    valkey: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_keys(tmp_path / "keys.json")
    own = Serving(valkey.url, f"api-failed-{secrets.token_hex(4)}", tmp_path / "keys.json")
    try:
        own.until_ready()
        assert own.http(ADMIN).post("/v1/logins").status_code == 201
        wrong = own.http("wrong")
        failed = 0
        while wrong.post("/v1/logins").status_code == 401:
            failed += 1
            assert failed < 20 * MAX_FAILED_OF_ADDRESS
        assert failed >= MAX_FAILED_OF_ADDRESS
        refused = own.http(ADMIN).post("/v1/logins")
        assert problem(refused, "too-many-failed-logins")["status"] == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60
        forged = own.http(ADMIN).post("/v1/logins", headers={"x-forwarded-for": "192.0.2.9"})
        problem(forged, "too-many-failed-logins")
        assert own.http(ADMIN).get("/v1/queues").status_code == 200, "keys are accepted elsewhere"
        names: Any = own.redis.scan_iter(match=f"*{own.keys.partition}*", count=1000)
        assert not [name for name in names if b"127.0.0.1" in name]
        assert "127.0.0.1" not in capfd.readouterr().out
    finally:
        own.stop()
