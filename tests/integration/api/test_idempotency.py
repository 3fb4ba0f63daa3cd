"""Keys of attempts: key spaces, the header Idempotency-Key, and repeated submissions."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Server
from tests.integration.api.serving import ADMIN, Serving, document, key_entry, problem, write_keys

ATTEMPTS = "/v1/instruments/a-mood/attempts"
NDJSON = {"content-type": "application/x-ndjson"}
ANSWERS = {"i1": 1, "i2": 2, "i3": 5}
#: API keys that may only write: two with separate key spaces, two in one key space, and one in the space of the
#: first key's name.
WARD, CLINIC, EAST, WEST = "ward-key", "clinic-key", "east-key", "west-key"
ROTATED = "rotated-key"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    alone = [key_entry(key, ["attempts:write"], ["*"]) for key in (WARD, CLINIC)]
    shared = [key_entry(key, ["attempts:write"], ["*"], keySpace="both") for key in (EAST, WEST)]
    write_keys(path, *alone, *shared, key_entry(ROTATED, ["attempts:write"], ["*"], keySpace=WARD))
    return path


def send(
    api: Serving, caller: str = ADMIN, header: str | None = None, query: str = "", **attempt: Any
) -> httpx.Response:
    headers = {} if header is None else {"idempotency-key": header}
    return api.http(caller).post(
        ATTEMPTS + query, json={"answers": ANSWERS} | attempt, headers=headers
    )


def send_lines(api: Serving, caller: str, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    content = b"".join(json.dumps({"answers": ANSWERS} | line).encode() + b"\n" for line in lines)
    answer = api.http(caller).post(f"{ATTEMPTS}:bulk", content=content, headers=NDJSON)
    return [json.loads(each) for each in answer.text.splitlines()]


def test_api_keys_with_the_same_attempt_key_are_independent(mood: Serving) -> None:
    first, other = (send(mood, key, key="k") for key in (WARD, CLINIC))
    assert first.status_code == other.status_code == 202
    assert first.json()["attempt"] != other.json()["attempt"]
    assert "repeated" not in other.json()
    assert "idempotency-replayed" not in other.headers
    problem(send(mood, CLINIC, key="k", answers={"i1": 4}), "key-conflict")
    assert (
        send(mood, CLINIC, key="only the ward's").json()["attempt"]
        != send(mood, WARD, key="only the ward's").json()["attempt"]
    )
    (line,) = send_lines(mood, EAST, {"key": "k"})
    assert line["attempt"] not in {first.json()["attempt"], other.json()["attempt"]}


def test_api_keys_of_one_key_space_share_attempt_keys(mood: Serving) -> None:
    for first, second in ((EAST, WEST), (WARD, ROTATED)):
        one = send(mood, first, key="k").json()
        assert send(mood, second, key="k").json() == one | {"repeated": True}
        (line,) = send_lines(mood, second, {"key": "k"})
        assert (line["attempt"], line["token"], line["repeated"]) == (
            one["attempt"],
            one["token"],
            True,
        )
        problem(send(mood, second, key="k", answers={"i1": 3}), "key-conflict")


def test_another_callers_answers_cannot_be_guessed_by_its_attempt_keys(mood: Serving) -> None:
    """All submissions with the key of another caller's attempt get the same answer."""
    victim = send(mood, WARD, key="patient-1", answers={"i1": 2, "i2": 5, "i3": 3}).json()
    guesses = [
        dict(zip(("i1", "i2", "i3"), values, strict=True))
        for values in itertools.product(range(1, 6), repeat=3)
    ]
    lines = send_lines(mood, CLINIC, *[{"key": "patient-1", "answers": guess} for guess in guesses])
    assert [line["status"] for line in lines] == [202] + [409] * (len(guesses) - 1), (
        "the attacker's own first line has the key"
    )
    assert not any("repeated" in line for line in lines)
    assert victim["attempt"] not in json.dumps(lines)
    assert victim["token"] not in json.dumps(lines)
    for guess in guesses[:10]:
        answer = send(mood, CLINIC, header="patient-1", answers=guess)
        assert victim["attempt"] not in answer.text


@pytest.mark.parametrize("first_way", ["body", "header", "both", "bulk"])
def test_the_header_is_equivalent_to_the_key_in_the_body(mood: Serving, first_way: str) -> None:
    ways: dict[str, Any] = {
        "body": lambda: send(mood, key="order 17").json(),
        "header": lambda: send(mood, header='"order 17"').json(),
        "both": lambda: send(mood, header='"order 17"', key="order 17").json(),
        "bulk": lambda: send_lines(mood, ADMIN, {"key": "order 17"})[0],
    }
    first = ways[first_way]()
    assert "repeated" not in first
    for way, again in ways.items():
        answer = again()
        assert (answer["attempt"], answer["token"], answer["repeated"]) == (
            first["attempt"],
            first["token"],
            True,
        ), way
    assert mood.http().get(f"/v1/attempts/{first['attempt']}").json()["key"] == "order 17"
    problem(send(mood, header='"order 17"', answers={"i1": 3}), "key-conflict")


def test_the_header_also_sets_the_key_outside_the_fast_path(mood: Serving) -> None:
    first = send(mood, header="k", answers={"i1": 1.0, "i2": None}).json()
    again = send(mood, key="k", answers={"i1": 1}).json()
    assert again == first | {"repeated": True}
    mood.publish(document(items=2, form="anew"))
    repeated = send(mood, header="j", revision=1).json()
    assert send(mood, header="j", revision=1).json() == repeated | {"repeated": True}


def test_a_header_that_differs_from_the_key_is_rejected_without_storing(mood: Serving) -> None:
    attempts: list[dict[str, Any]] = [{}, {"answers": {"i1": 1.0}}]
    for attempt in attempts:
        body = problem(send(mood, header="one", key="other", **attempt), "invalid-attempt")
        assert body["errors"][0]["pointer"] == "/key"
        assert "Idempotency-Key" in body["errors"][0]["detail"]
    assert mood.redis.get(mood.keys.arrivals) is None


@pytest.mark.parametrize("header", ["", '""', "a b", "k" * 65, '"' + "k" * 65 + '"', '"a'])
def test_an_invalid_header_is_rejected_without_storing(mood: Serving, header: str) -> None:
    problem(send(mood, header=header), "malformed-request")
    assert mood.redis.get(mood.keys.arrivals) is None


def test_a_key_may_have_64_characters_either_way(mood: Serving) -> None:
    first = send(mood, header='"' + "k" * 64 + '"').json()
    assert send(mood, key="k" * 64).json() == first | {"repeated": True}


def test_the_header_is_rejected_in_bulk_requests(mood: Serving) -> None:
    content = b'{"key":"k","answers":{"i1":1}}\n'
    answer = mood.http().post(
        f"{ATTEMPTS}:bulk", content=content, headers=NDJSON | {"idempotency-key": '"k"'}
    )
    problem(answer, "malformed-request")
    assert mood.redis.get(mood.keys.arrivals) is None


def test_a_repeat_is_marked_with_and_without_a_result(mood: Serving) -> None:
    first = send(mood, key="k").json()
    for query in ("", "?wait=0.05"):
        pending = send(mood, key="k", query=query)
        assert (pending.status_code, pending.json()) == (202, first | {"repeated": True})
        assert pending.headers["idempotency-replayed"] == "true"
    mood.score(first)
    scored = send(mood, header="k", query="?wait=5")
    assert (scored.status_code, scored.json()["state"], scored.json()["repeated"]) == (
        200,
        "Scored",
        True,
    )
    assert (scored.headers["idempotency-replayed"], scored.json()["token"]) == (
        "true",
        first["token"],
    )
    assert "repeated" not in mood.http().get(f"/v1/attempts/{first['attempt']}/result").json()
    lines = send_lines(
        mood,
        ADMIN,
        {"key": "k"},
        {"key": "new"},
        {"key": "new"},
        {"key": "k", "answers": {"i1": 4}},
    )
    assert [(line["status"], line.get("repeated")) for line in lines] == [
        (202, True),
        (202, None),
        (202, True),
        (409, None),
    ]


def test_repeats_are_counted(mood: Serving) -> None:
    for _ in range(3):
        send(mood, key="k")
    send_lines(mood, ADMIN, {"key": "k"}, {"key": "j"})
    text = mood.http(None).get("/metrics").text
    assert 'stanine_attempts_total{outcome="accepted"} 2.0' in text
    assert 'stanine_attempts_total{outcome="repeated"} 3.0' in text


@pytest.fixture
def second(valkey: Server, mood: Serving, keys_file: Path) -> Iterator[Serving]:
    """A second API process in the namespace of `mood`."""
    serving = Serving(valkey.url, mood.keys.partition.partition(":")[0], keys_file)
    try:
        yield serving.until_ready()
    finally:
        serving.stop()


def read_with(api: Serving, token: str, attempt: str) -> int:
    return api.http(token).get(f"/v1/attempts/{attempt}/result").status_code


def test_the_secret_of_tokens_is_rotated_and_earlier_tokens_stay_valid(
    mood: Serving, second: Serving
) -> None:
    before = send(mood, key="k").json()
    answer = mood.http().post("/v1/tokens:rotate", json={"keepSeconds": 3600})
    assert answer.status_code == 200
    assert answer.json()["formerValidUntil"].endswith("Z")
    second.see_tokens()
    after = send(second, key="k").json()
    assert (after["attempt"], after["repeated"]) == (before["attempt"], True)
    assert after["token"] != before["token"]
    for api in (mood, second):
        for token in (before["token"], after["token"]):
            assert read_with(api, token, before["attempt"]) == 202
        assert read_with(api, "0" * 32, before["attempt"]) == 404
    assert mood.http().post("/v1/tokens:rotate", json={"keepSeconds": 0}).status_code == 200
    second.see_tokens()
    newest = send(second, key="k").json()
    for api in (mood, second):
        assert [
            read_with(api, each["token"], before["attempt"]) for each in (before, after, newest)
        ] == [202, 404, 202]


def test_a_rotation_accepts_an_empty_body_and_rejects_an_invalid_one(mood: Serving) -> None:
    assert mood.http().post("/v1/tokens:rotate").status_code == 200
    faulty: list[Any] = [
        {"keepSeconds": -1},
        {"keepSeconds": 90 * 86_400 + 1},
        {"keepSeconds": "1"},
        {"keep": 1},
        [],
    ]
    for order in faulty:
        problem(mood.http().post("/v1/tokens:rotate", json=order), "invalid-request")
    problem(mood.http(WARD).post("/v1/tokens:rotate"), "missing-scope")
