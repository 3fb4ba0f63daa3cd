"""Keys and tokens: refusals, suggested names, and rotation of keys.

Permissions: test_access_matrix.py.
"""

import os
import time
from pathlib import Path

import pytest
from tests.integration.api.serving import (
    ADMIN,
    NARROW,
    Serving,
    document,
    key_entry,
    only,
    problem,
    write_keys,
)

ANSWERS = {"i1": 1, "i2": 2, "i3": 5}
ND = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def attempt(shared: Serving) -> str:
    return str(shared.submit(answers=ANSWERS, participant="p-1")["attempt"])


def test_a_refusal_names_the_missing_permission(shared: Serving) -> None:
    answer = shared.http(only("attempts:read")).get("/v1/instruments")
    assert (
        problem(answer, "missing-scope")["detail"]
        == "This needs a key with the scope instruments:read."
    )
    answer = shared.http(only("attempts:read")).get("/v1/queues")
    assert (
        problem(answer, "missing-scope")["detail"]
        == "This needs a key with the scope operate:read or operate."
    )
    assert (
        'instruments: ["*"]'
        in problem(shared.http(NARROW).get("/v1/queues"), "missing-scope")["detail"]
    )
    answer = shared.http(None).get("/v1/instruments")
    problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_basic_authorization_is_rejected(shared: Serving) -> None:
    problem(shared.http(None).get("/v1/instruments", auth=("admin", ADMIN)), "unauthenticated")
    assert (
        shared.http(None)
        .get("/v1/instruments", headers={"authorization": f"bearer {ADMIN}"})
        .status_code
        == 200
    )


def test_a_missing_object_is_reported_with_the_most_similar_visible_name(
    shared: Serving, attempt: str
) -> None:
    shared.publish(document("b-moon"))

    def detail(address: str, key: str = ADMIN) -> str:
        return str(problem(shared.http(key).get(address), "not-found")["detail"])

    missing = "was not found, or is not visible to this key."
    for address in ("", "/form", "/results"):
        assert (
            detail(f"/v1/instruments/a-mod{address}")
            == f"Instrument 'a-mod' {missing} Did you mean 'a-mood'?"
        )
        assert (
            detail(f"/v1/instruments/b-mod{address}")
            == f"Instrument 'b-mod' {missing} Did you mean 'b-moon'?"
        )
        assert (
            detail(f"/v1/instruments/b-mod{address}", NARROW)
            == f"Instrument 'b-mod' {missing} Did you mean 'a-mood'?"
        )
        assert (
            detail(f"/v1/instruments/b-moon{address}", NARROW)
            == f"Instrument 'b-moon' {missing} Did you mean 'a-mood'?"
        )
        assert (
            detail(f"/v1/instruments/a-moon{address}", NARROW)
            == f"Instrument 'a-moon' {missing} Did you mean 'a-mood'?"
        )
        assert detail(f"/v1/instruments/unlike{address}") == f"Instrument 'unlike' {missing}"
    assert detail("/v1/instruments/" + "A" * 5000) == f"Instrument '{'A' * 64}…' {missing}"
    bulk = shared.http().post("/v1/instruments/a-mod/attempts:bulk", content=b"", headers=ND)
    assert "'a-mood'" in problem(bulk, "not-found")["detail"]
    assert detail("/v1/instruments/a-mood?revision=9").endswith(
        "has no revision 9; the newest is 1."
    )
    assert detail("/v1/instruments/a-mood/form?revision=9").endswith(
        "has no revision 9; the newest is 1."
    )
    assert detail("/v1/queues/result") == f"Queue 'result' {missing} Did you mean 'results'?"
    assert detail("/v1/queues/results/dead/1-1") == f"Dead letter '1-1' {missing}"
    assert detail("/docs/doc.js") == f"File 'doc.js' {missing} Did you mean 'docs.js'?"
    assert detail(f"/v1/participants/{'p' * 300}/results") == f"Participant '{'p' * 64}…' {missing}"
    assert detail(f"/v1/attempts/{attempt[:-1]}x") == f"Attempt '{attempt[:-1]}x' {missing}"


def test_a_token_reads_only_its_attempts_result(shared: Serving, attempt: str) -> None:
    receipt = shared.submit(answers=ANSWERS)
    shared.score(receipt)
    bearer = shared.http(receipt["token"])
    assert bearer.get(f"/v1/attempts/{receipt['attempt']}/result").json()["state"] == "Scored"
    problem(bearer.get(f"/v1/attempts/{attempt}/result"), "not-found")
    problem(bearer.get(f"/v1/attempts/{'0' * 32}/result"), "not-found")
    problem(bearer.get(f"/v1/attempts/{receipt['attempt']}"), "unauthenticated")
    problem(bearer.get("/v1/instruments/a-mood/results"), "unauthenticated")
    problem(
        bearer.post("/v1/instruments/a-mood/attempts", json={"answers": ANSWERS}), "unauthenticated"
    )
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
    assert (
        mood.http("fresh-key").get("/v1/instruments").status_code == 200
    )  # an invalid file changes nothing
    write_keys(keys_file)
    os.utime(keys_file, (1, 1))  # an older time is a change too
    until_status(mood, "fresh-key", 401)
    assert mood.http().get("/v1/instruments").status_code == 200


def until_status(api: Serving, key: str, status: int) -> None:
    began = time.monotonic()
    while api.http(key).get("/v1/instruments").status_code != status:
        assert time.monotonic() - began < 30
        time.sleep(0.05)
