import threading
import time
from typing import Any

from tests.integration.api.serving import NARROW, Serving, document, only, problem

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store.cursors import Cursor
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import START_BYTES, TIME_BYTES, arrival_of

ANSWERS = {"i1": 1, "i2": 2, "i3": 5}


def test_a_result_is_pending_then_scored(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS, key="k", participant="p-1")
    address = f"/v1/attempts/{receipt['attempt']}/result"
    pending = mood.http().get(address)
    assert (pending.status_code, pending.json()) == (
        202,
        {"attempt": receipt["attempt"], "state": "Submitted"},
    )
    mood.score(receipt)
    scored = mood.http().get(address)
    assert scored.status_code == 200
    body = scored.json()
    assert body.pop("submittedAt").endswith("Z")
    document = mood.http().get("/v1/instruments/a-mood")
    assert document.headers["etag"] == f'"{body.pop("scoringDigest")}"'
    assert body == {
        "attempt": receipt["attempt"], "instrument": "a-mood", "revision": 1, "form": 1, "scoringRevision": 1, "engine": ENGINE_VERSION,
        "state": "Scored", "key": "k", "participant": "p-1",
        "scales": {"mood": {"raw": (1 + 2 + 5) / 3, "valid": 3, "items": 3, "status": "Scored", "range": [1, 5]}},
    }  # fmt: skip


def test_a_held_request_is_answered_as_soon_as_it_is_scored(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    timer = threading.Timer(0.3, mood.score, [receipt])
    timer.start()
    began = time.monotonic()
    answer = mood.http().get(f"/v1/attempts/{receipt['attempt']}/result?wait=20")
    assert answer.status_code == 200
    assert 0.2 < time.monotonic() - began < 15  # not at the end of the 20 s
    timer.join()


def test_a_submission_can_wait_for_its_result(mood: Serving) -> None:
    first = mood.submit(key="k", answers=ANSWERS)
    mood.score(first)
    answer = mood.http().post(
        "/v1/instruments/a-mood/attempts?wait=5", json={"key": "k", "answers": ANSWERS}
    )
    assert answer.status_code == 200
    assert answer.json()["token"] == first["token"]
    assert answer.json()["scales"]["mood"]["valid"] == 3
    assert (answer.json()["repeated"], answer.headers["idempotency-replayed"]) == (True, "true")
    assert (
        mood.http()
        .post("/v1/instruments/a-mood/attempts?wait=0.1", json={"answers": ANSWERS})
        .status_code
        == 202
    )


def test_a_failed_attempt_has_a_reason(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    arrival = arrival_of(bytes.fromhex(receipt["attempt"]))
    block, slot = mood.keys.attempts(arrival // 32), arrival % 32
    record: bytes = mood.redis.hget(block, slot)  # type: ignore[assignment]
    answers = TIME_BYTES + START_BYTES
    mood.redis.hset(
        block, slot, record[:answers] + b"\x01" + record[answers + 1 : answers + 2]
    )  # one answer instead of three
    mood.score(receipt)
    body = mood.http().get(f"/v1/attempts/{receipt['attempt']}/result").json()
    assert (body["state"], body["reason"]) == ("Failed", "CorruptAttempt")
    assert "scales" not in body


def test_an_old_result_is_presented_with_its_scoring_revision(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    mood.score(receipt)
    changed = document()
    changed["spec"]["scales"] = [
        {"id": "extra", "items": ["i1"], "score": "Sum"},
        {"id": "mood", "items": ["-i1", "i2", "i3"], "score": "Mean"},
    ]
    assert mood.publish(changed).json()["form"] == 1
    body = mood.http().get(f"/v1/attempts/{receipt['attempt']}/result").json()
    assert (body["scoringRevision"], body["scales"].keys()) == (1, {"mood"})
    assert body["scales"]["mood"]["raw"] == (1 + 2 + 5) / 3
    newer = mood.submit(answers=ANSWERS)
    mood.score(newer)
    assert mood.http().get(f"/v1/attempts/{newer['attempt']}/result").json()["scales"].keys() == {
        "extra",
        "mood",
    }
    assert len(mood.http().get("/v1/instruments/a-mood/results").json()["items"]) == 2


def test_polling_returns_each_result_once(mood: Serving) -> None:
    receipts = [mood.submit(answers={"i1": number % 5 + 1}) for number in range(45)]
    order = receipts[::-1]
    seen: list[str] = []
    after: int | str = 0  # before the first page
    for start in range(0, 45, 9):
        mood.score(*order[start : start + 9])
        for limit in (2, 5, 100):
            page = (
                mood.http()
                .get("/v1/instruments/a-mood/results", params={"limit": limit, "after": after})
                .json()
            )
            seen += [item["attempt"] for item in page["items"]]
            after = page["next"]
        assert mood.http().get(
            "/v1/instruments/a-mood/results", params={"after": after}
        ).json() == {"items": [], "next": after}
    assert sorted(seen) == sorted(receipt["attempt"] for receipt in receipts)
    assert len(set(seen)) == 45
    whole = mood.http().get("/v1/instruments/a-mood/results?limit=1000").json()
    assert [item["attempt"] for item in whole["items"]] == seen


def test_a_participants_results_include_all_visible_instruments(
    mood: Serving,
) -> None:
    mood.publish(document("b-other"))
    person = "Zoë / p 17?"
    receipts = [
        mood.submit(name, answers=ANSWERS, participant=person)
        for name in ("a-mood", "b-other", "a-mood", "b-other")
    ]
    receipts.append(mood.submit(answers=ANSWERS, participant="somebody else"))
    for receipt in receipts:
        mood.score(receipt)
    address = "/v1/participants/Zo%C3%AB%20%2F%20p%2017%3F/results"
    page = mood.http().get(address).json()
    assert [item["attempt"] for item in page["items"]] == [
        receipt["attempt"] for receipt in receipts[:4]
    ]
    assert {item["participant"] for item in page["items"]} == {person}
    narrow = mood.http(NARROW).get(address, params={"limit": 1}).json()
    assert [item["instrument"] for item in narrow["items"]] == ["a-mood"]
    rest = mood.http(NARROW).get(address, params={"limit": 10, "after": narrow["next"]}).json()
    assert [item["attempt"] for item in rest["items"]] == [receipts[2]["attempt"]]


def test_a_key_learns_nothing_about_invisible_results(mood: Serving) -> None:
    mood.publish(document("b-other"))
    for receipt in [
        mood.submit("b-other", answers=ANSWERS, participant="hidden") for _ in range(3)
    ]:
        mood.score(receipt)

    def narrow(person: str, **query: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = (
            mood.http(NARROW).get(f"/v1/participants/{person}/results", params=query).json()
        )
        return answer

    nothing = narrow("nobody")
    assert nothing == {"items": [], "next": Cursor().encode()}
    assert (
        narrow("hidden")
        == narrow("hidden", limit=1)
        == narrow("hidden", after=nothing["next"])
        == nothing
    )
    # as many reachable results at other places among unreachable ones
    lengths: set[int] = set()
    for names in (
        ["a-mood"] * 3,
        ["b-other", "a-mood"] * 3,
        ["a-mood", *["b-other"] * 4, "a-mood", "a-mood", "b-other"],
    ):
        person = "-".join(name[0] for name in names)
        receipts = [mood.submit(name, answers=ANSWERS, participant=person) for name in names]
        seen: list[str] = []
        after = ""
        for receipt in receipts:
            mood.score(receipt)
            page = narrow(person, limit=1, **({"after": after} if after else {}))
            assert not (after and not page["items"]) or page["next"] == after, (
                "what is hidden moves no cursor"
            )
            seen += [item["attempt"] for item in page["items"]]
            after = page["next"]
        assert seen == [
            receipt["attempt"]
            for receipt, name in zip(receipts, names, strict=True)
            if name == "a-mood"
        ]
        assert narrow(person, after=after) == {"items": [], "next": after}
        assert narrow(person)["next"] != after or len(seen) == 1
        lengths.add(len(after))
        assert (
            mood.http()
            .get(f"/v1/participants/{person}/results", params={"after": after})
            .status_code
            == 200
        )
        problem(
            mood.http().get("/v1/instruments/a-mood/results", params={"after": after}),
            "history-changed",
        )
        changed = mood.http(NARROW).get("/v1/participants/hidden/results", params={"after": after})
        assert problem(changed, "history-changed")["next"] == nothing["next"]
    assert len(lengths) == 1, "cursors behind as many shown results look alike"


def test_an_unknown_attempt_is_not_found(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    for unknown in (
        "0" * 32,
        receipt["attempt"][:-1] + "f",
        receipt["attempt"].upper(),
        "x",
        "%00",
        "f" * 4000,
    ):
        for suffix in ("", "/result", "/result?wait=1"):
            problem(mood.http().get(f"/v1/attempts/{unknown}{suffix}"), "not-found")


def test_an_unreadable_record_does_not_block_the_list(mood: Serving) -> None:
    receipts = [mood.submit(answers=ANSWERS) for _ in range(3)]
    mood.score(*receipts)
    block, slot = divmod(arrival_of(bytes.fromhex(receipts[1]["attempt"])), BLOCK_SIZE)
    mood.redis.hset(mood.keys.attempts(block), slot, b"damaged")
    page = mood.http().get("/v1/instruments/a-mood/results").json()
    assert [item["attempt"] for item in page["items"]] == [
        receipts[0]["attempt"],
        receipts[2]["attempt"],
    ]
    later = mood.submit(answers=ANSWERS)
    mood.score(later)
    following = (
        mood.http().get("/v1/instruments/a-mood/results", params={"after": page["next"]}).json()
    )
    assert [item["attempt"] for item in following["items"]] == [later["attempt"]]


def test_an_explanation_leads_to_the_result(mood: Serving) -> None:
    receipt = mood.submit(answers={"i1": 1, "i2": 4}, key="k")
    address = f"/v1/attempts/{receipt['attempt']}/result"
    pending = mood.http().get(f"{address}/explanation")
    assert (pending.status_code, pending.json()["state"]) == (202, "Submitted")
    mood.score(receipt)
    body = mood.http().get(f"{address}/explanation").json()
    result = mood.http().get(address).json()
    (scale,) = body["scales"]
    found = result["scales"]["mood"]
    assert {name: scale[name] for name in ("raw", "valid", "items", "status")} == {
        name: found[name] for name in ("raw", "valid", "items", "status")
    }
    assert [
        (one["name"], one["state"], one["points"], one.get("answer")) for one in scale["terms"]
    ] == [
        ("i1", "Answered", 1, 1),
        ("i2", "Answered", 4, 4),
        ("i3", "Omitted", None, None),
    ]
    assert (scale["sum"]["sum"], scale["sum"]["divisor"], scale["agrees"]) == (5, 2, True)
    assert (body["scoringRevision"], body["engine"]) == (1, ENGINE_VERSION)


def test_an_explanation_uses_the_scoring_revision_of_the_result(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    mood.score(receipt)
    assert mood.publish(document(reverse=True)).json()["form"] == 1
    (scale,) = (
        mood.http().get(f"/v1/attempts/{receipt['attempt']}/result/explanation").json()["scales"]
    )
    assert ([one["rule"] for one in scale["terms"]], scale["agrees"]) == (["Own"] * 3, True)


def test_an_explanation_has_answers_only_with_the_scope_attempts_read(mood: Serving) -> None:
    receipt = mood.submit(answers=ANSWERS)
    mood.score(receipt)
    address = f"/v1/attempts/{receipt['attempt']}/result/explanation"
    (scale,) = mood.http(only("results:read")).get(address).json()["scales"]
    assert all("answer" not in one for one in scale["terms"])
    problem(mood.http(only("attempts:read")).get(address), "missing-scope")
    problem(mood.http(receipt["token"]).get(address), "unauthenticated")
