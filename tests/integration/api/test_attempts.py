import concurrent.futures
import json

import pytest
from tests.integration.api.serving import Serving, document, problem

ANSWERS = {"i1": 1, "i2": 2, "i3": 5}
ATTEMPTS = "/v1/instruments/a-mood/attempts"


def test_an_attempt_is_accepted_with_its_address_and_token(mood: Serving) -> None:
    answer = mood.http().post(
        "/v1/instruments/a-mood/attempts", json={"answers": ANSWERS, "participant": "p-1"}
    )
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt.keys() == {"attempt", "token", "state"}
    assert answer.headers["location"] == f"/v1/attempts/{receipt['attempt']}"
    stored = mood.http().get(answer.headers["location"]).json()
    assert stored["answers"] == ANSWERS
    assert (stored["participant"], stored["instrument"], stored["revision"], stored["state"]) == (
        "p-1",
        "a-mood",
        1,
        "Submitted",
    )


def test_without_a_key_a_repeated_request_is_a_second_attempt(mood: Serving) -> None:
    assert mood.submit(answers=ANSWERS)["attempt"] != mood.submit(answers=ANSWERS)["attempt"]


def test_a_repeat_with_the_same_content_gets_the_first_answer_marked_as_repeated(
    mood: Serving,
) -> None:
    first = mood.http().post(ATTEMPTS, json={"key": "k", "answers": ANSWERS})
    again = mood.http().post(ATTEMPTS, json={"key": "k", "answers": {"i3": 5.0, "i2": 2, "i1": 1}})
    assert first.status_code == again.status_code == 202
    assert first.json().keys() == {"attempt", "token", "state"}
    assert again.json() == first.json() | {"repeated": True}
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (
        None,
        "true",
    )
    assert again.headers["location"] == first.headers["location"]


def test_a_repeat_gets_the_first_answer_even_after_a_new_form(mood: Serving) -> None:
    first = mood.submit(key="k", answers=ANSWERS)
    mood.publish(document(items=2, form="anew"))  # without i3 the same attempt is invalid
    assert mood.submit(key="k", answers=ANSWERS) == first | {"repeated": True}
    bulk = mood.http().post(
        "/v1/instruments/a-mood/attempts:bulk",
        content=b'{"key":"k","answers":{"i1":1,"i2":2,"i3":5}}',
        headers={"content-type": "application/x-ndjson"},
    )
    assert (bulk.json()["attempt"], bulk.json()["repeated"]) == (first["attempt"], True)
    refused = mood.http().post(
        "/v1/instruments/a-mood/attempts", json={"key": "other", "answers": ANSWERS}
    )
    assert problem(refused, "invalid-attempt")["errors"][0]["pointer"] == "/answers/i3"


def test_the_same_key_with_other_content_is_a_conflict(mood: Serving) -> None:
    mood.submit(key="k", answers=ANSWERS)
    problem(
        mood.http().post(
            "/v1/instruments/a-mood/attempts", json={"key": "k", "answers": {"i1": 3}}
        ),
        "key-conflict",
    )


def test_concurrent_submissions_with_one_key_are_one_attempt(mood: Serving) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        receipts = list(
            pool.map(lambda _: mood.submit(key="k", answers=ANSWERS)["attempt"], range(64))
        )
    assert len(set(receipts)) == 1


def test_requests_combined_into_one_call_get_their_own_answers(mood: Serving) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        keys = [f"k{number}" for number in range(200)]
        receipts = list(
            pool.map(lambda key: mood.submit(key=key, answers={"i1": int(key[1:]) % 5 + 1}), keys)
        )
    assert len({receipt["attempt"] for receipt in receipts}) == 200
    for number in (0, 57, 199):
        stored = mood.http().get(f"/v1/attempts/{receipts[number]['attempt']}").json()
        assert (stored["key"], stored["answers"]["i1"]) == (f"k{number}", number % 5 + 1)


def test_an_attempt_of_an_older_revision_is_accepted_with_its_form(mood: Serving) -> None:
    mood.publish(document(items=2, form="anew"))
    receipt = mood.submit(revision=1, answers=ANSWERS)
    assert mood.http().get(f"/v1/attempts/{receipt['attempt']}").json()["answers"] == ANSWERS
    assert list(mood.http().get("/v1/instruments/a-mood/form?revision=1").json()["items"]) != []
    refused = mood.http().post(
        "/v1/instruments/a-mood/attempts", json={"revision": 3, "answers": {"i1": 1}}
    )
    assert problem(refused, "invalid-attempt")["errors"][0]["pointer"] == "/revision"


def test_an_unindexed_instrument_asks_for_a_retry(api: Serving) -> None:
    api.publish(document(), build=False)
    bulk = {"content": b"", "headers": {"content-type": "application/x-ndjson"}}
    for answer in (
        api.http().post("/v1/instruments/a-mood/attempts", json={"answers": {"i1": 1}}),
        api.http().post("/v1/instruments/a-mood/attempts:bulk", **bulk),  # type: ignore[arg-type] # httpx's own keywords
        api.http().get("/v1/instruments/a-mood/form"),
    ):
        problem(answer, "not-indexed")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "answers", [{"i2": 3}, {"i1": None, "i2": 3}, {"i3": None, "i1": None, "i2": 3}]
)
def test_null_and_absent_are_equivalent(mood: Serving, answers: dict[str, int | None]) -> None:
    receipt = mood.submit(answers=answers)
    stored = mood.http().get(f"/v1/attempts/{receipt['attempt']}").json()
    assert stored["answers"] == {"i1": None, "i2": answers.get("i2"), "i3": None}


@pytest.mark.parametrize("answers", [{}, {"i1": None}, {"i1": None, "i2": None, "i3": None}])
def test_an_attempt_without_answers_is_rejected(mood: Serving, answers: dict[str, None]) -> None:
    path = "/v1/instruments/a-mood/attempts"
    said = problem(mood.http().post(path, json={"answers": answers}), "invalid-attempt")
    assert [(error["pointer"], error["code"]) for error in said["errors"]] == [
        ("/answers", "TooFew")
    ]
    lines = b"".join(
        json.dumps({"key": key, "answers": given}).encode() + b"\n"
        for key, given in (("a", answers), ("b", {"i1": 1}))
    )
    answered = (
        mood.http()
        .post(f"{path}:bulk", content=lines, headers={"content-type": "application/x-ndjson"})
        .text.splitlines()
    )
    assert [json.loads(line)["status"] for line in answered] == [422, 202]
