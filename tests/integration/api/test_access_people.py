"""Every route of people's data with every kind of caller: permissions and effects.

A refused request changes nothing. PEOPLE has a row for each of these routes; a route without a row fails
`test_every_route_of_people_is_in_the_table`.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import httpx
import pytest
from tests.conftest import Server
from tests.integration.api.filling import Person, day, invite, open_session, start
from tests.integration.api.serving import ALL_SCOPES, Serving, key_entry, problem, write_keys

#: The object of a route, which decides who reaches it: an instrument, one of its attempts or sessions, a
#: participant (of all instruments), the session of the sent token, or the invitation of the sent code.
Kind = Literal["instrument", "attempt", "session of a key", "participant", "session", "code"]


class Row(NamedTuple):
    """A route: its address, its content, and the status for an allowed caller."""

    address: str
    kind: Kind
    scope: str | None
    status: tuple[int, ...]
    content: Mapping[str, Any] = {}
    takes_token: bool = False
    takes_code: bool = False


LINES = {"content": b'{"key":"k"}\n', "headers": {"content-type": "application/x-ndjson"}}
SAVE: Any = {"json": {"seq": 1, "answers": {"calm": 1, "drink": 0}}}
BASE = "/v1/instruments/a-day"
PEOPLE: dict[tuple[str, str], Row] = {
    ("POST", "/v1/instruments/{name}/sessions"): Row(
        f"{BASE}/sessions",
        "instrument",
        "sessions:write",
        (200, 201),
        {"json": {}},
        takes_code=True,
    ),
    ("GET", "/v1/sessions/{id}"): Row(
        "/v1/sessions/{session}", "session", None, (200,), takes_token=True
    ),
    ("GET", "/v1/sessions/{id}/form"): Row(
        "/v1/sessions/{session}/form", "session", None, (200,), takes_token=True
    ),
    ("PATCH", "/v1/sessions/{id}"): Row(
        "/v1/sessions/{session}", "session", None, (200,), SAVE, takes_token=True
    ),
    ("POST", "/v1/sessions/{id}:submit"): Row(
        "/v1/sessions/{session}:submit", "session", None, (202,), takes_token=True
    ),
    ("POST", "/v1/sessions/{id}:withdraw"): Row(
        "/v1/sessions/{session}:withdraw", "session", None, (409,), takes_token=True
    ),
    ("POST", "/v1/sessions/{id}:extend"): Row(
        "/v1/sessions/{timed}:extend",
        "session of a key",
        "sessions:write",
        (200,),
        {"json": {"timeLimitSeconds": 700}},
    ),
    ("POST", "/v1/instruments/{name}/invitations"): Row(
        f"{BASE}/invitations", "instrument", "invitations:write", (201,), {"json": {}}
    ),
    ("POST", "/v1/instruments/{name}/invitations:bulk"): Row(
        f"{BASE}/invitations:bulk", "instrument", "invitations:write", (200,), LINES
    ),
    ("GET", "/v1/instruments/{name}/invitations"): Row(
        f"{BASE}/invitations", "instrument", "invitations:write", (200,)
    ),
    ("POST", "/v1/instruments/{name}/invitations/{invitation}:revoke"): Row(
        f"{BASE}/invitations/{{spare}}:revoke", "instrument", "invitations:write", (200,)
    ),
    ("POST", "/v1/instruments/{name}/invitations/{invitation}:extend"): Row(
        f"{BASE}/invitations/{{spare}}:extend",
        "instrument",
        "invitations:write",
        (200,),
        {"json": {"expiresAt": None}},
    ),
    ("GET", "/v1/instruments/{name}/invitations/{invitation}/qr"): Row(
        f"{BASE}/invitations/{{spare}}/qr", "instrument", "invitations:write", (200,)
    ),
    ("GET", "/v1/invitation"): Row("/v1/invitation", "code", None, (200,), takes_code=True),
    ("POST", "/v1/instruments/{name}:release"): Row(
        f"{BASE}:release", "instrument", "invitations:write", (200,)
    ),
    ("DELETE", "/v1/attempts/{id}"): Row("/v1/attempts/{attempt}", "attempt", "erase", (204, 404)),
    ("POST", "/v1/participants/{id}:erase"): Row(
        "/v1/participants/p-1:erase", "participant", "erase", (200,)
    ),
}
REACHES = {"all": ["*"], "mine": ["a-*"], "other": ["b-*"], "none": []}


def key_of(scope: str, reach: str) -> str:
    return f"{scope} of {reach}"


class AccessWorld(NamedTuple):
    """An API with people's data of two instruments."""

    api: Serving
    mine: Person
    other: Person
    timed: Person
    #: Codes by their state.
    codes: Mapping[str, str]
    spare: str
    attempt: dict[str, Any]
    #: Tokens of logins, by the name of their key.
    logins: Mapping[str, str]

    def ask(self, key: str | None, method: str, row: Row) -> httpx.Response:
        names = {
            "session": self.mine.id,
            "timed": self.timed.id,
            "spare": self.spare,
            "attempt": self.attempt["attempt"],
        }
        return self.api.http(key).request(method, row.address.format(**names), **row.content)

    def data(self) -> dict[bytes, bytes]:
        client: Any = self.api.redis
        return {
            key: client.dump(key)
            for key in client.scan_iter(match=f"*{self.api.keys.partition}*", count=1000)
            if not any(
                each in key for each in (b":once:", b":audit", b":processes", b":throughput")
            )  # it expires by itself
        }


@pytest.fixture(scope="module")
def world(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessWorld]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(
        path,
        *[
            key_entry(key_of(scope, reach), [scope], names)
            for scope in ALL_SCOPES
            for reach, names in REACHES.items()
        ],
    )
    api = Serving(valkey.url, f"api-{secrets.token_hex(4)}", path)
    try:
        api.until_ready()
        for name in ("a-day", "b-day"):
            api.publish(day(name))
        settings = {"publicUrl": "https://survey.example"}
        assert api.http().patch("/v1/config", json={"settings": settings}).status_code == 200
        while "url" not in invite(api, "a-day"):
            time.sleep(0.05)
        mine = Person(
            api,
            start(
                api, invite(api, "a-day", participant="p-7", show="Participant")["code"], "a-day"
            ),
        )
        codes = {
            "good": invite(api, "a-day")["code"],
            "of another instrument": invite(api, "b-day")["code"],
        }
        for what in ("revoked", "expired", "used"):
            invited = invite(
                api, "a-day", **({"expiresAt": "2001-01-01T00:00:00Z"} if what == "expired" else {})
            )
            codes[what] = invited["code"]
            if what == "revoked":
                api.http().post(f"{BASE}/invitations/{invited['invitation']}:revoke")
        several = invite(api, "a-day", maxUses=2)["code"]
        assert [start(api, several, "a-day").status_code for _ in range(2)] == [201, 201]
        codes["used"] = several
        yield AccessWorld(
            api, mine, open_session(api, "b-day"), open_session(api, "a-day", timeLimitSeconds=600), codes,
            invite(api, "a-day")["invitation"], api.submit("a-day", answers={"calm": 1}, participant="p-7"),
            {
                key: api.http(key).post("/v1/logins").json()["token"]
                for key in (key_of(scope, reach) for scope in ALL_SCOPES for reach in REACHES)
            },
        )  # fmt: skip
    finally:
        api.stop()


def callers(world: AccessWorld, row: Row) -> Iterator[tuple[str | None, str]]:
    """Yield every kind of caller: credential and expected answer; allowed callers are last."""
    for stranger in (None, "unknown", "x" * 5000, "*", "z" * 22 + "z", "0" * 31):
        yield stranger, "unauthenticated"
    tokens = {
        "another session's": world.other.token, "an attempt's": world.attempt["token"], "forged": "0" * 32, "an id": world.mine.id,
    }  # fmt: skip
    for token in tokens.values():
        yield token, "not-found" if row.takes_token else "unauthenticated"
    ended = {
        "revoked": "invitation-ended",
        "expired": "invitation-ended",
        "used": "invitation-ended",
        "of another instrument": "not-found",
    }
    for what, code in world.codes.items():
        if what != "good":
            outcome = ended[what] if row.kind == "instrument" else "served"
            yield code, outcome if row.takes_code else "unauthenticated"
    yield world.codes["good"][::-1], "not-found" if row.takes_code else "unauthenticated"
    for scope in ALL_SCOPES:
        for reach in REACHES:
            yield key_of(scope, reach), _expected(row, scope, reach)
            if scope == (row.scope or "operate"):
                yield world.logins[key_of(scope, reach)], _expected(row, scope, reach)
    yield world.codes["good"], "served" if row.takes_code else "unauthenticated"
    yield world.mine.token, "served" if row.kind == "session" else "unauthenticated"


def _expected(row: Row, scope: str, reach: str) -> str:
    if row.scope is None:
        return "unauthenticated"
    if scope != row.scope:
        return "missing-scope"
    if row.kind == "participant":
        return "served" if reach == "all" else "missing-scope"
    return "served" if reach in {"all", "mine"} else "not-found"


#: What the session of a row has been through, so that each row can be tested alone.
EARLIER = {
    "/v1/sessions/{session}:submit": [("PATCH", "/v1/sessions/{id}")],
    "/v1/sessions/{session}:withdraw": [
        ("PATCH", "/v1/sessions/{id}"),
        ("POST", "/v1/sessions/{id}:submit"),
    ],
}
ROWS = {" ".join(route): (route[0], row) for route, row in PEOPLE.items()}


def test_every_route_of_people_is_in_the_table(world: AccessWorld) -> None:
    declared = {(route.method, route.path): route for route in world.api.api.asgi.router.routes}
    people = {
        route
        for route in declared
        if any(word in route[1] for word in ("session", "invitation", ":erase", ":release"))
    }
    assert people | {("DELETE", "/v1/attempts/{id}")} == PEOPLE.keys()
    for route, row in PEOPLE.items():
        found = declared[route]
        assert (found.scope, found.takes_token, found.takes_code) == (
            row.scope,
            row.takes_token,
            row.takes_code,
        ), route
    others = [route for route in declared.values() if (route.method, route.path) not in PEOPLE]
    assert not any(route.takes_code for route in others)


@pytest.mark.parametrize(("method", "row"), ROWS.values(), ids=ROWS)
def test_each_caller_is_served_or_rejected_without_changes(
    world: AccessWorld, method: str, row: Row
) -> None:
    for earlier in EARLIER.get(row.address, ()):
        world.ask(world.mine.token, earlier[0], PEOPLE[earlier])
    asked = list(callers(world, row))
    assert "served" in {expected for _, expected in asked}
    for key, expected in asked:
        before = world.data()
        answer = world.ask(key, method, row)
        if expected == "served" and answer.status_code in row.status:
            continue
        outcome = problem(answer, expected)
        assert world.data() == before, key
        for secret in (world.codes["good"], world.mine.token, "p-7", "p-1:"):
            assert secret not in json.dumps(outcome), "a refusal tells nothing of others"


def test_a_missing_session_and_a_foreign_one_have_the_same_answer(
    world: AccessWorld,
) -> None:
    absent = secrets.token_hex(11) + "0" * 10
    for method, verb in (("GET", ""), ("PATCH", ""), ("POST", ":submit"), ("POST", ":withdraw")):
        one, other = (
            problem(
                world.api.http(world.other.token).request(
                    method, f"/v1/sessions/{name}{verb}", **SAVE
                ),
                "not-found",
            )
            for name in (world.mine.id, absent)
        )
        assert one | {"detail": one["detail"].replace(world.mine.id, absent)} == other
    for name in ("x", "0" * 32, world.mine.id.upper(), world.mine.id[:-1] + "1"):
        problem(world.api.http(world.mine.token).get(f"/v1/sessions/{name}"), "not-found")


def test_a_token_is_invalid_as_any_other_kind(world: AccessWorld) -> None:
    """A session and its attempt have a common prefix in their ids; all tokens have one secret."""
    person = Person(
        world.api,
        start(world.api, invite(world.api, "a-day", show="AfterRelease")["code"], "a-day"),
    )
    person.save(1, {"calm": 1, "drink": 0})
    done = person.submit().json()
    result = f"/v1/attempts/{done['attempt']}/result"
    problem(world.api.http(person.token).get(result), "not-found")
    problem(world.api.http(done["attemptToken"]).get(f"/v1/sessions/{person.id}"), "not-found")
    world.api.http().post(f"{BASE}:release", json={"released": False})
    problem(world.api.http(done["attemptToken"]).get(result), "not-found")
    world.api.http().post(f"{BASE}:release")
    assert world.api.http(done["attemptToken"]).get(result).status_code == 202
    problem(
        world.api.http(done["attemptToken"]).get(f"/v1/attempts/{world.attempt['attempt']}/result"),
        "not-found",
    )


def test_a_rotation_invalidates_session_tokens_and_the_code_gives_a_new_one(
    world: AccessWorld,
) -> None:
    code = invite(world.api, "a-day")["code"]
    person = Person(world.api, start(world.api, code, "a-day"))
    world.api.http().post("/v1/tokens:rotate", json={"keepSeconds": 0})
    time.sleep(0.01)
    problem(world.api.http(person.token).get(f"/v1/sessions/{person.id}"), "not-found")
    assert Person(world.api, start(world.api, code, "a-day")).id == person.id
