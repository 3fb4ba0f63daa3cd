"""Every route with every kind of caller: who is served, and that a refusal changes nothing.

A route without a row fails `test_every_route_is_in_the_matrix`.
"""

import itertools
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import httpx
import pytest
from tests.conftest import Server
from tests.integration.api.serving import (
    ADMIN,
    ALL_SCOPES,
    Serving,
    document,
    key_entry,
    problem,
    write_keys,
)
from tests.integration.api.test_access_people import PEOPLE
from tests.integration.api.test_queues import bury

#: The object of a route, which decides who reaches it: none; an instrument; an attempt; lists of instruments; a
#: person's results; all instruments; the sent key itself, of any scopes; the login of the sent token.
Kind = Literal["public", "instrument", "attempt", "instruments", "person", "all", "key", "login"]


class Row(NamedTuple):
    """A route: its address, its content, and the status for an allowed caller."""

    address: str
    kind: Kind
    scope: str | None
    status: int
    content: Mapping[str, Any] = {}
    takes_token: bool = False


ATTEMPT = {"json": {"answers": {"i1": 1}}}
LINES = {
    "content": b'{"answers":{"i1":1},"key":"k"}\n',
    "headers": {"content-type": "application/x-ndjson"},
}
ALL_LETTERS = {"json": {"all": True}}
MATRIX: dict[tuple[str, str], Row] = {
    ("GET", "/"): Row("/", "public", None, 200),
    ("GET", "/docs"): Row("/docs", "public", None, 200),
    ("GET", "/docs/{file}"): Row("/docs/docs.js", "public", None, 200),
    ("GET", "/openapi.json"): Row("/openapi.json", "public", None, 200),
    ("GET", "/healthz"): Row("/healthz", "public", None, 200),
    ("GET", "/readyz"): Row("/readyz", "public", None, 200),
    ("GET", "/metrics"): Row("/metrics", "public", None, 200),
    ("GET", "/v1/instruments"): Row("/v1/instruments", "instruments", "instruments:read", 200),
    ("GET", "/v1/instruments/{name}"): Row(
        "/v1/instruments/a-mood", "instrument", "instruments:read", 200
    ),
    ("PUT", "/v1/instruments/{name}"): Row(
        "/v1/instruments/a-mood",
        "instrument",
        "instruments:write",
        200,
        {"json": document("a-mood", title="Other")},
    ),
    ("GET", "/v1/instruments/{name}/form"): Row(
        "/v1/instruments/a-mood/form", "instrument", "attempts:write", 200
    ),
    ("GET", "/v1/instruments/{name}/scales"): Row(
        "/v1/instruments/a-mood/scales", "instrument", "results:read", 200
    ),
    ("POST", "/v1/instruments/{name}/attempts"): Row(
        "/v1/instruments/a-mood/attempts", "instrument", "attempts:write", 202, ATTEMPT
    ),
    ("GET", "/v1/instruments/{name}/attempts"): Row(
        "/v1/instruments/a-mood/attempts", "instrument", "attempts:read", 200
    ),
    ("GET", "/v1/instruments/{name}/statistics"): Row(
        "/v1/instruments/a-mood/statistics", "instrument", "results:read", 200
    ),
    ("GET", "/v1/instruments/{name}/codebook"): Row(
        "/v1/instruments/a-mood/codebook", "instrument", "attempts:read", 200
    ),
    ("POST", "/v1/instruments/{name}/attempts:bulk"): Row(
        "/v1/instruments/a-mood/attempts:bulk", "instrument", "attempts:write", 200, LINES
    ),
    ("GET", "/v1/instruments/{name}/results"): Row(
        "/v1/instruments/a-mood/results", "instrument", "results:read", 200
    ),
    ("GET", "/v1/attempts/{id}"): Row("/v1/attempts/{attempt}", "attempt", "attempts:read", 200),
    ("GET", "/v1/attempts/{id}/result"): Row(
        "/v1/attempts/{attempt}/result", "attempt", "results:read", 200, takes_token=True
    ),
    ("GET", "/v1/attempts/{id}/result/explanation"): Row(
        "/v1/attempts/{attempt}/result/explanation", "attempt", "results:read", 200
    ),
    ("GET", "/v1/attempts/{id}/result/scales"): Row(
        "/v1/attempts/{attempt}/result/scales", "attempt", "results:read", 200, takes_token=True
    ),
    ("GET", "/v1/attempts/{id}/result/history"): Row(
        "/v1/attempts/{attempt}/result/history", "attempt", "results:read", 200
    ),
    ("POST", "/v1/instruments/{name}:rescore"): Row(
        "/v1/instruments/a-mood:rescore",
        "instrument",
        "instruments:write",
        202,
        {"json": {"dryRun": True, "token": "matrix"}},
    ),
    ("GET", "/v1/instruments/{name}/rescoring"): Row(
        "/v1/instruments/a-mood/rescoring", "instrument", "instruments:write", 200
    ),
    ("GET", "/v1/participants/{id}/results"): Row(
        "/v1/participants/p-1/results", "person", "results:read", 200
    ),
    ("GET", "/v1/queues"): Row("/v1/queues", "all", "operate:read", 200),
    ("GET", "/v1/queues/{queue}"): Row("/v1/queues/index", "all", "operate:read", 200),
    ("POST", "/v1/queues/{queue}:drain"): Row("/v1/queues/index:drain", "all", "operate", 200),
    ("POST", "/v1/queues/{queue}:pause"): Row("/v1/queues/index:pause", "all", "operate", 200),
    ("POST", "/v1/queues/{queue}:resume"): Row("/v1/queues/index:resume", "all", "operate", 200),
    ("POST", "/v1/queues/{queue}:purge"): Row(
        "/v1/queues/index:purge", "all", "operate", 200, {"json": {"part": "ready"}}
    ),
    ("GET", "/v1/queues/{queue}/dead"): Row("/v1/queues/results/dead", "all", "operate:read", 200),
    ("POST", "/v1/queues/{queue}/dead:requeue"): Row(
        "/v1/queues/results/dead:requeue", "all", "operate", 200, ALL_LETTERS
    ),
    ("POST", "/v1/queues/{queue}/dead:delete"): Row(
        "/v1/queues/results/dead:delete", "all", "operate", 200, ALL_LETTERS
    ),
    ("GET", "/v1/queues/{queue}/dead/{letter}"): Row(
        "/v1/queues/results/dead/{letter}", "all", "operate:read", 200
    ),
    ("DELETE", "/v1/queues/{queue}/dead/{letter}"): Row(
        "/v1/queues/results/dead/{letter}", "all", "operate", 200
    ),
    ("POST", "/v1/tokens:rotate"): Row(
        "/v1/tokens:rotate", "all", "operate", 200, {"json": {"keepSeconds": 86_400}}
    ),
    ("GET", "/v1/keys"): Row("/v1/keys", "all", "operate:read", 200),
    ("GET", "/v1/status"): Row("/v1/status", "all", "operate:read", 200),
    ("GET", "/v1/audit"): Row("/v1/audit", "all", "operate:read", 200),
    ("POST", "/v1/logins"): Row("/v1/logins", "key", None, 201),
    ("GET", "/v1/logins/current"): Row("/v1/logins/current", "login", None, 200),
    ("DELETE", "/v1/logins/current"): Row("/v1/logins/current", "login", None, 204),
    ("GET", "/v1/config"): Row("/v1/config", "all", "operate:read", 200),
    ("GET", "/v1/config/history"): Row("/v1/config/history", "all", "operate:read", 200),
    ("PATCH", "/v1/config"): Row(
        "/v1/config", "all", "operate", 200, {"json": {"settings": {"sweepSeconds": 30}}}
    ),
    ("POST", "/v1/config:rollback"): Row(
        "/v1/config:rollback", "all", "operate", 404, {"json": {"revision": 1000}}
    ),
}

#: The instruments of each limited key.
REACHES = {"all": ["*"], "mine": ["a-*"], "other": ["b-*"], "none": []}
INCLUDED = {"operate:read": {"operate"}}


def key_of(scope: str | None, reach: str) -> str:
    return f"{scope} of {reach}"


def but(scope: str) -> str:
    return f"all but {scope}"


class AccessWorld(NamedTuple):
    """An API with objects of two instruments, and credentials that are not in the keys file."""

    api: Serving
    attempt: str
    #: The attempt's token, the token of another attempt of the same person, and a token of a former secret.
    token: str
    other_token: str
    forged: str
    #: Tokens of logins, by the name of their key; and those of ended logins, and of a login whose key was revoked.
    logins: Mapping[str, str]
    ended: tuple[str, ...]

    def ask(self, key: str | None, method: str, address: str, **content: Any) -> httpx.Response:
        return self.api.http(key).request(method, address, **content)

    def data(self) -> dict[bytes, bytes]:
        """Return all stored data, without what expires within a minute and the list of changes."""
        client: Any = self.api.redis
        return {
            key: client.dump(key)
            for key in client.scan_iter(match="*" + self.api.keys.partition + "*", count=1000)
            if not any(
                each in key for each in (b":once:", b":audit", b":processes", b":throughput")
            )
        }


def log_in(api: Serving, key: str) -> str:
    """Exchange a key for the token of a login."""
    answer = api.http(key).post("/v1/logins")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.fixture(scope="module")
def world(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessWorld]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    entries = [
        key_entry(key_of(scope, reach), [scope], names)
        for scope in ALL_SCOPES
        for reach, names in REACHES.items()
    ]
    for scope in ALL_SCOPES:
        others = [
            each for each in ALL_SCOPES if each != scope and each not in INCLUDED.get(scope, ())
        ]
        entries.append(key_entry(but(scope), others, ["*"]))
    write_keys(path, *entries, key_entry("revoked", ALL_SCOPES, ["*"]))
    api = Serving(valkey.url, f"api-{secrets.token_hex(4)}", path)
    try:
        api.until_ready()
        for name in ("a-mood", "b-mood"):
            api.publish(document(name))
        mine, another = (
            api.submit("a-mood", answers={"i1": 1}, participant="p-1") for _ in range(2)
        )
        hidden = api.submit("b-mood", answers={"i1": 1}, participant="p-1")
        api.score(mine, another, hidden)
        rescoring = MATRIX["POST", "/v1/instruments/{name}:rescore"]
        assert api.http().post(rescoring.address, **rescoring.content).status_code == 202
        assert api.http("revoked").get("/v1/instruments").status_code == 200
        ended = (log_in(api, "revoked"), log_in(api, ADMIN), "login-" + "x" * 43)
        api.http(ended[1]).delete("/v1/logins/current")
        write_keys(path, *entries)
        began = time.monotonic()
        while api.http("revoked").get("/v1/instruments").status_code != 401:
            assert time.monotonic() - began < 20
            time.sleep(0.05)
        yield AccessWorld(
            api,
            mine["attempt"],
            mine["token"],
            another["token"],
            secrets.token_hex(16),
            {each["name"]: log_in(api, each["name"]) for each in entries},
            ended,
        )
    finally:
        api.stop()


Expected = str  # "served", or the last part of a problem's type


def callers(world: AccessWorld, row: Row) -> Iterator[tuple[str | None, Expected]]:
    """Yield every kind of caller: its credential and the expected answer."""
    public, scope = row.kind == "public", row.scope or "operate"
    strangers = ("unknown", "revoked", "x" * 5000, key_of(scope, "all").upper(), "*")
    for stranger in (None, *strangers, *world.ended):
        yield stranger, "served" if public else "unauthenticated"
    for token, found in (
        (world.token, "served"),
        *((each, "not-found") for each in (world.other_token, world.forged, world.attempt)),
    ):
        yield token, "served" if public else found if row.takes_token else "unauthenticated"
    for key, expected in keys(row):
        yield key, expected if row.kind != "login" else "unauthenticated"
        if key.startswith((f"{scope} of", "all but")):
            yield world.logins[key], expected if row.kind != "key" else "unauthenticated"


def keys(row: Row) -> Iterator[tuple[str, Expected]]:
    """Yield every key and the expected answer to it, or to its login."""
    public, scope = row.kind in {"public", "key", "login"}, row.scope or "operate"
    for each in ALL_SCOPES:
        fits = public or each == row.scope or each in INCLUDED.get(scope, ())
        for reach in REACHES:
            yield key_of(each, reach), "missing-scope" if not fits else _reached(row.kind, reach)
    yield but(scope), "served" if public else "missing-scope"


def _reached(kind: Kind, reach: str) -> Expected:
    if reach == "all" or kind in {"public", "instruments", "person", "key", "login"}:
        return "served"
    if kind == "all":
        return "missing-scope"
    return "served" if reach == "mine" else "not-found"


def rows(*kinds: Kind) -> pytest.MarkDecorator:
    """Parametrize a test by routes, all or those of some kinds."""
    chosen = {
        " ".join(route): (route[0], row)
        for route, row in MATRIX.items()
        if not kinds or row.kind in kinds
    }
    return pytest.mark.parametrize(("method", "row"), chosen.values(), ids=chosen)


def test_every_route_is_in_the_matrix(world: AccessWorld) -> None:
    declared = {
        (route.method, route.path): (route.scope, route.takes_token)
        for route in world.api.api.asgi.router.routes
        if (route.method, route.path) not in PEOPLE
    }
    assert declared == {route: (row.scope, row.takes_token) for route, row in MATRIX.items()}
    own = {row.scope for row in PEOPLE.values()}
    taken = {route: (row.kind == "key", row.kind == "login") for route, row in MATRIX.items()}
    assert taken == {
        (route.method, route.path): (route.takes_key, route.takes_login)
        for route in world.api.api.asgi.router.routes
        if (route.method, route.path) in MATRIX
    }
    assert {row.scope for row in MATRIX.values()} | own == {None, *ALL_SCOPES}


@rows()
def test_each_caller_is_served_or_rejected_without_changes(
    world: AccessWorld, method: str, row: Row
) -> None:
    asked = list(callers(world, row))
    assert {expected for _, expected in asked} >= {"served"} | (
        set()
        if row.kind == "public"
        else {"unauthenticated"}
        if row.scope is None
        else {"unauthenticated", "missing-scope"}
    )
    for key, expected in asked:
        address = row.address.format(
            attempt=world.attempt, letter=bury(world.api) if "{letter}" in row.address else ""
        )
        ends_it = (method, row.kind, expected) == ("DELETE", "login", "served")
        credential = log_in(world.api, ADMIN) if ends_it else key
        before = world.data()
        answer = world.ask(credential, method, address, **row.content)
        outcome = (
            "served"
            if answer.status_code == row.status and expected == "served"
            else problem(answer, expected)
        )
        if outcome != "served":
            assert world.data() == before, key
        if method == "GET":
            head = world.ask(key, "HEAD", address)
            assert (head.status_code, head.content) == (answer.status_code, b""), key
    if ":drain" in row.address or ":pause" in row.address:
        world.ask(ADMIN, "POST", "/v1/queues/index:resume")


@rows("instrument", "attempt")
def test_an_invisible_object_is_answered_like_a_missing_one(
    world: AccessWorld, method: str, row: Row
) -> None:
    exists, absent = ("a-mood", "a-moos") if row.kind == "instrument" else (world.attempt, "0" * 32)
    address = row.address.format(attempt=world.attempt)
    for reach in ("other", "none"):
        key = key_of(row.scope, reach)
        one, other = (
            problem(world.ask(key, method, each, **row.content), "not-found")
            for each in (address, address.replace(exists, absent))
        )
        assert one | {"detail": one["detail"].replace(exists, absent)} == other
        assert "a-mood" not in other["detail"]


@rows("instrument")
def test_another_spelling_of_an_address_has_the_same_permissions(
    world: AccessWorld, method: str, row: Row
) -> None:
    for name in ("%61-mood", "a%2Dmood", "a%2dmood"):
        address = row.address.replace("a-mood", name)
        assert (
            world.ask(key_of(row.scope, "mine"), method, address, **row.content).status_code
            == row.status
        )
        problem(world.ask(key_of(row.scope, "other"), method, address, **row.content), "not-found")
    for name in (
        "A-MOOD",
        "a-mood%00",
        "b-mood/../a-mood",
        "b-mood%2F..%2Fa-mood",
        "a-mood%20",
        "%2561-mood",
    ):
        address = row.address.replace("a-mood", name)
        problem(world.ask(key_of(row.scope, "other"), method, address, **row.content), "not-found")


def test_lists_contain_only_visible_objects(world: AccessWorld) -> None:
    reached = {"all": ["a-mood", "b-mood"], "mine": ["a-mood"], "other": ["b-mood"], "none": []}
    for reach, names in reached.items():
        instruments = world.ask(key_of("instruments:read", reach), "GET", "/v1/instruments").json()
        assert [each["name"] for each in instruments["items"]] == names
        results = world.ask(
            key_of("results:read", reach), "GET", "/v1/participants/p-1/results"
        ).json()
        assert {each["instrument"] for each in results["items"]} == set(names)
        assert sum(each["instrument"] == "a-mood" for each in results["items"]) in {0, 2}
    nobody, unknown = (
        world.ask(
            key_of("results:read", "none"), "GET", f"/v1/participants/{person}/results"
        ).json()
        for person in ("p-1", "p-2")
    )
    assert nobody == unknown


def test_a_document_cannot_be_published_under_another_name(
    world: AccessWorld,
) -> None:
    before = world.data()
    for address, name in itertools.product(("a-new", "a-mood"), ("b-mood", "b-new")):
        answer = world.ask(
            key_of("instruments:write", "mine"),
            "PUT",
            f"/v1/instruments/{address}",
            json=document(name),
        )
        problem(answer, "invalid-document")
    assert world.data() == before


@pytest.mark.parametrize(
    "name",
    ["authorization", "content-type", "content-encoding", "idempotency-key", "Authorization"],
)
def test_a_repeated_single_header_is_rejected(world: AccessWorld, name: str) -> None:
    value = f"Bearer {ADMIN}" if name.lower() == "authorization" else "x"
    before = world.data()
    answer = httpx.post(
        f"{world.api.url}/v1/instruments/a-mood/attempts",
        headers=[(name, value), (name.lower(), value)],
        content=json.dumps(ATTEMPT["json"]).encode(),
    )
    assert name.lower() in problem(answer, "malformed-request")["detail"].lower()
    assert world.data() == before
