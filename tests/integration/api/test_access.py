import os
import time
from pathlib import Path

import pytest
from tests.integration.api.serving import ADMIN, ALL_SCOPES, NARROW, Serving, document, key_entry, only, problem, write_keys

ANSWERS = {"i1": 1, "i2": 2, "i3": 5}
ND = {"content-type": "application/x-ndjson"}

#: Every route that needs a key: method, address (of things that exist), scope, status with the right key, content.
CALLS = [
    ("GET", "/v1/instruments", "instruments:read", 200, None),
    ("GET", "/v1/instruments/a-mood", "instruments:read", 200, None),
    ("PUT", "/v1/instruments/a-mood", "instruments:write", 200, "document"),
    ("GET", "/v1/instruments/a-mood/form", "attempts:write", 200, None),
    ("POST", "/v1/instruments/a-mood/attempts", "attempts:write", 202, "attempt"),
    ("POST", "/v1/instruments/a-mood/attempts:bulk", "attempts:write", 200, "lines"),
    ("GET", "/v1/instruments/a-mood/results", "results:read", 200, None),
    ("GET", "/v1/attempts/{attempt}", "attempts:read", 200, None),
    ("GET", "/v1/attempts/{attempt}/result", "results:read", 202, None),
    ("GET", "/v1/participants/p-1/results", "results:read", 200, None),
    ("GET", "/v1/queues", "operate:read", 200, None),
    ("GET", "/v1/queues/index", "operate:read", 200, None),
    ("POST", "/v1/queues/index:drain", "operate", 200, None),
    ("POST", "/v1/queues/index:pause", "operate", 200, None),
    ("POST", "/v1/queues/index:resume", "operate", 200, None),
    ("POST", "/v1/queues/index:purge", "operate", 200, "purge"),
    ("GET", "/v1/queues/index/dead", "operate:read", 200, None),
    ("POST", "/v1/queues/index/dead:requeue", "operate", 200, "letters"),
    ("POST", "/v1/queues/index/dead:delete", "operate", 200, "letters"),
    ("GET", "/v1/queues/index/dead/1-1", "operate:read", 404, None),
    ("DELETE", "/v1/queues/index/dead/1-1", "operate", 404, None),
    ("POST", "/v1/tokens:rotate", "operate", 200, "rotation"),
    ("GET", "/v1/config", "operate:read", 200, None),
    ("GET", "/v1/config/history", "operate:read", 200, None),
    ("PATCH", "/v1/config", "operate", 200, "settings"),
    ("POST", "/v1/config:rollback", "operate", 404, "revision"),
]
CONTENT = {
    None: {},
    "document": {"json": document()},
    "attempt": {"json": {"answers": ANSWERS}},
    "lines": {"content": b"", "headers": ND},
    "purge": {"json": {"part": "dead"}},
    "letters": {"json": {"all": True}},
    "revision": {"json": {"revision": 1000}},
    "rotation": {"json": {"keepSeconds": 86_400}},
    "settings": {"json": {"settings": {"sweepSeconds": None}}},
}


@pytest.fixture(scope="module")
def attempt(shared: Serving) -> str:
    return str(shared.submit(answers=ANSWERS, participant="p-1")["attempt"])


@pytest.mark.parametrize(("method", "address", "scope", "status", "content"), CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
def test_a_route_needs_its_scope_and_no_other(
    shared: Serving, attempt: str, method: str, address: str, scope: str, status: int, content: str | None
) -> None:
    address = address.format(attempt=attempt)
    for each in ALL_SCOPES:
        answer = shared.http(only(each)).request(method, address, **CONTENT[content])  # type: ignore[arg-type]
        if each == scope or (each, scope) == ("operate", "operate:read"):
            assert answer.status_code == status, answer.text
        else:
            assert scope in problem(answer, "missing-scope")["detail"]
    for wrong in (None, "no-such-key", "x" * 5000, ADMIN + " "):
        if wrong == ADMIN + " ":
            continue  # HTTP strips it
        answer = shared.http(wrong).request(method, address, **CONTENT[content])  # type: ignore[arg-type]
        problem(answer, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "address", "content"), [(call[0], call[1], call[4]) for call in CALLS if call[2].startswith("operate")])
def test_what_belongs_to_all_instruments_is_refused_to_a_key_of_some(
    shared: Serving, method: str, address: str, content: str | None
) -> None:
    answer = shared.http(NARROW).request(method, address, **CONTENT[content])  # type: ignore[arg-type]
    assert 'instruments: ["*"]' in problem(answer, "missing-scope")["detail"]


def test_every_route_with_a_scope_is_in_the_table_above(shared: Serving) -> None:
    declared = {(route.method, route.path, route.scope) for route in shared.api.asgi.router.routes if route.scope is not None}
    parameters = {"a-mood": "{name}", "{attempt}": "{id}", "p-1": "{id}", "index": "{queue}", "1-1": "{letter}"}
    listed = set()
    for method, address, scope, _, _ in CALLS:
        for value, name in parameters.items():
            address = address.replace(value, name)  # noqa: PLW2901 - one after the other
        listed.add((method, address, scope))
    assert declared == listed


def test_a_basic_authorization_is_no_key(shared: Serving) -> None:
    problem(shared.http(None).get("/v1/instruments", auth=("admin", ADMIN)), "unauthenticated")
    assert shared.http(None).get("/v1/instruments", headers={"authorization": f"bearer {ADMIN}"}).status_code == 200


def test_what_is_not_found_is_named_with_the_nearest_name_that_the_key_sees(shared: Serving, attempt: str) -> None:
    shared.publish(document("b-moon"))

    def detail(address: str, key: str = ADMIN) -> str:
        return str(problem(shared.http(key).get(address), "not-found")["detail"])

    missing = "was not found, or is not visible to this key."
    for address in ("", "/form", "/results"):
        assert detail(f"/v1/instruments/a-mod{address}") == f"Instrument 'a-mod' {missing} Did you mean 'a-mood'?"
        assert detail(f"/v1/instruments/b-mod{address}") == f"Instrument 'b-mod' {missing} Did you mean 'b-moon'?"
        assert detail(f"/v1/instruments/b-mod{address}", NARROW) == f"Instrument 'b-mod' {missing} Did you mean 'a-mood'?"
        assert detail(f"/v1/instruments/b-moon{address}", NARROW) == f"Instrument 'b-moon' {missing} Did you mean 'a-mood'?"
        assert detail(f"/v1/instruments/a-moon{address}", NARROW) == f"Instrument 'a-moon' {missing} Did you mean 'a-mood'?"
        assert detail(f"/v1/instruments/unlike{address}") == f"Instrument 'unlike' {missing}"
    assert detail("/v1/instruments/" + "A" * 5000) == f"Instrument '{'A' * 64}…' {missing}"
    bulk = shared.http().post("/v1/instruments/a-mod/attempts:bulk", content=b"", headers=ND)
    assert "'a-mood'" in problem(bulk, "not-found")["detail"]
    assert detail("/v1/instruments/a-mood?revision=9").endswith("has no revision 9; the newest is 1.")
    assert detail("/v1/instruments/a-mood/form?revision=9").endswith("has no revision 9; the newest is 1.")
    assert detail("/v1/queues/result") == f"Queue 'result' {missing} Did you mean 'results'?"
    assert detail("/v1/queues/results/dead/1-1") == f"Dead letter '1-1' {missing}"
    assert detail(f"/v1/attempts/{attempt[:-1]}x") == f"Attempt '{attempt[:-1]}x' {missing}"


def test_what_a_key_does_not_reach_looks_like_what_does_not_exist(shared: Serving) -> None:
    shared.publish(document("b-hidden"))
    hidden = shared.submit("b-hidden", answers=ANSWERS, participant="p-9")
    shared.score(hidden)
    for method, address, content in (
        ("GET", "/v1/instruments/{}", None),
        ("PUT", "/v1/instruments/{}", "document"),
        ("GET", "/v1/instruments/{}/form", None),
        ("POST", "/v1/instruments/{}/attempts", "attempt"),
        ("POST", "/v1/instruments/{}/attempts:bulk", "lines"),
        ("GET", "/v1/instruments/{}/results", None),
    ):
        answers = [
            problem(shared.http(NARROW).request(method, address.format(name), **CONTENT[content]), "not-found")  # type: ignore[arg-type]
            for name in ("b-hidden", "b-hiddex")
        ]
        assert answers[0] | {"detail": answers[0]["detail"].replace("b-hidden", "b-hiddex")} == answers[1]
    for suffix in ("", "/result"):
        answers = [
            problem(shared.http(NARROW).get(f"/v1/attempts/{which}{suffix}"), "not-found") for which in (hidden["attempt"], "0" * 32)
        ]
        assert answers[0] | {"detail": answers[0]["detail"].replace(hidden["attempt"], "0" * 32)} == answers[1]
    assert shared.http(NARROW).get("/v1/participants/p-9/results").json()["items"] == []


def test_a_token_reads_its_attempts_result_and_nothing_else(shared: Serving, attempt: str) -> None:
    receipt = shared.submit(answers=ANSWERS)
    shared.score(receipt)
    bearer = shared.http(receipt["token"])
    assert bearer.get(f"/v1/attempts/{receipt['attempt']}/result").json()["state"] == "Scored"
    problem(bearer.get(f"/v1/attempts/{attempt}/result"), "not-found")
    problem(bearer.get(f"/v1/attempts/{'0' * 32}/result"), "not-found")
    problem(bearer.get(f"/v1/attempts/{receipt['attempt']}"), "unauthenticated")
    problem(bearer.get("/v1/instruments/a-mood/results"), "unauthenticated")
    problem(bearer.post("/v1/instruments/a-mood/attempts", json={"answers": ANSWERS}), "unauthenticated")
    forged = receipt["token"][:-1] + ("0" if receipt["token"][-1] != "0" else "1")
    problem(shared.http(forged).get(f"/v1/attempts/{receipt['attempt']}/result"), "not-found")


def test_keys_rotate_without_a_restart(mood: Serving, keys_file: Path) -> None:
    fresh = key_entry("fresh-key", ["instruments:read"], ["*"])
    problem(mood.http("fresh-key").get("/v1/instruments"), "unauthenticated")
    staged = keys_file.with_suffix(".new")
    write_keys(staged, fresh)
    staged.replace(keys_file)  # as a mounted Secret changes: by another file
    until_status(mood, "fresh-key", 200)
    keys_file.write_text("- {name: x, sha256: short, scopes: [], instruments: []}")
    time.sleep(1.3)
    assert mood.http("fresh-key").get("/v1/instruments").status_code == 200  # a faulty file changes nothing
    write_keys(keys_file)
    os.utime(keys_file, (1, 1))  # an older time is a change too
    until_status(mood, "fresh-key", 401)
    assert mood.http().get("/v1/instruments").status_code == 200


def until_status(api: Serving, key: str, status: int) -> None:
    began = time.monotonic()
    while api.http(key).get("/v1/instruments").status_code != status:
        assert time.monotonic() - began < 30
        time.sleep(0.05)
