"""The document of DESIGN 4.1 over HTTP: item types, norm groups, texts, conditions, bulk, CSV."""

import json
from pathlib import Path
from typing import Any

from tests.integration.api.serving import Serving, problem

from stanine.domain.instruments.document import read_yaml

DOCUMENT: Any = read_yaml(
    (Path(__file__).parents[2] / "unit" / "domain" / "every_feature.yaml").read_bytes()
)
#: The attempt of DESIGN 4.2.
ATTEMPT: dict[str, Any] = {
    "key": "row-17", "participant": "p-17", "attributes": {"sex": "female", "years": 31},
    "answers": {"A1": 2, "A2": None, "d1": 0, "s1": 2, "q2": 42, "m1": ["a"], "r1": ["w", "f"], "since": "2026-11-29"},
}  # fmt: skip
RESULT: dict[str, dict[str, Any]] = {
    "agreeableness": {
        "raw": 2,
        "valid": 1,
        "items": 2,
        "status": "Scored",
        "range": [1, 3],
        "norm": "women_21_40",
        "t": 48,
        "band": "mid",
    },
    "drinking": {
        "raw": 0,
        "valid": 2,
        "items": 2,
        "status": "Scored",
        "range": [0, 6],
        "bandGroup": "everyone",
        "band": "low",
    },
    "mood": {
        "raw": 2,
        "valid": 1,
        "items": 2,
        "status": "Scored",
        "range": [0, 2],
        "score": 60,
        "se": None,
    },
    "criteria": {
        "raw": None,
        "valid": 1,
        "items": 2,
        "status": "MissingValue",
        "range": [0, 1],
        "band": None,
    },
}


def test_the_attempt_of_the_design_has_its_documented_result(api: Serving) -> None:
    api.publish(DOCUMENT)
    receipt = api.submit("example", **ATTEMPT)
    assert api.submit("example", **ATTEMPT)["attempt"] == receipt["attempt"]
    other = api.submit(
        "example", answers={"A1": 1, "note": "Zwölf =SUM(A1)\n✓" * 30}, attributes={"sex": "male"}
    )
    plain = api.submit("example", answers={"A1": 3})
    assert api.score(receipt, other, plain).scored == 3
    body = api.http().get(f"/v1/attempts/{receipt['attempt']}/result").json()
    for scale, expected in RESULT.items():
        assert {name: body["scales"][scale][name] for name in expected} == expected
    agreeableness = body["scales"]["agreeableness"]
    assert [round(agreeableness[name], 2) for name in ("percentile", "se", "low", "high")] == [
        42.07,
        5.48,
        37.26,
        58.74,
    ]
    assert body["profiles"] == {"style": {"status": "Scored", "code": ["W"], "tied": False}}
    stored = api.http().get(f"/v1/attempts/{receipt['attempt']}").json()
    assert {item: value for item, value in stored["answers"].items() if value is not None} == {
        item: value for item, value in ATTEMPT["answers"].items() if value is not None
    }
    assert (
        api.http().get(f"/v1/attempts/{other['attempt']}").json()["answers"]["note"]
        == "Zwölf =SUM(A1)\n✓" * 30
    )
    norms = [
        api.http()
        .get(f"/v1/attempts/{one['attempt']}/result")
        .json()["scales"]["agreeableness"]["norm"]
        for one in (other, plain)
    ]
    assert norms == ["everyone", "everyone"]


def test_invalid_answers_are_reported_with_their_places(api: Serving) -> None:
    api.publish(DOCUMENT)
    answers = {
        "d1": 0,
        "d2": 1,
        "m1": ["none", "a"],
        "q2": 4.5,
        "r1": ["f"],
        "since": "2026-02-30",
        "pain": 11,
    }
    body = problem(
        api.http().post("/v1/instruments/example/attempts", json={"answers": answers}),
        "invalid-attempt",
    )
    assert {(one["pointer"], one["code"]) for one in body["errors"]} == {
        (f"/answers/{item}", "NotAnAnswer") for item in ("m1", "q2", "r1", "since", "pain")
    }
    body = problem(
        api.http().post("/v1/instruments/example/attempts", json={"answers": {"d1": 0, "d2": 1}}),
        "invalid-attempt",
    )
    assert [(one["pointer"], one["code"]) for one in body["errors"]] == [
        ("/answers/d2", "NotShown")
    ]
    assert "d1 > 0" in body["errors"][0]["detail"]
    body = problem(
        api.http().post(
            "/v1/instruments/example/attempts",
            json={"answers": {"q1": "a"}, "attributes": {"years": 15}},
        ),
        "invalid-attempt",
    )
    assert "years >= 16" in body["errors"][0]["detail"]


def test_bulk_lines_are_accepted_or_rejected_individually(api: Serving) -> None:
    api.publish(DOCUMENT)
    lines = [
        {**ATTEMPT, "key": "a"},
        {"key": "b", "answers": {"d1": 0, "d2": 2}},
        {"key": "c", "answers": {"m1": []}},
        {"key": "d", "answers": {"note": ""}},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    answer = api.http().post(
        "/v1/instruments/example/attempts:bulk",
        content=content,
        headers={"content-type": "application/x-ndjson"},
    )
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [202, 422, 422, 422]


def test_the_form_has_all_data_for_pages_and_none_of_the_scoring(api: Serving) -> None:
    api.publish(DOCUMENT)
    form = api.http().get("/v1/instruments/example/form").json()
    by_id = {item["id"]: item for item in form["items"]}
    assert by_id["pain"] == {
        "id": "pain", "text": "Pain", "type": "Number", "min": 0, "max": 10, "step": 0.5, "unit": "cm",
    }  # fmt: skip
    assert (by_id["m1"]["minChosen"], by_id["m1"]["maxChosen"], by_id["m1"]["options"][2]) == (
        1,
        2,
        {"value": "none", "exclusive": True},
    )
    assert by_id["d2"]["when"] == "d1 > 0"
    assert by_id["A1"] | {"options": []} == {
        "id": "A1",
        "text": "I ignore others.",
        "type": "Choice",
        "required": True,
        "column": "Q1",
        "options": [],
    }
    assert [section["id"] for section in form["sections"]] == ["self", "tasks"]
    assert by_id["A1"]["options"][3] == {"value": "na", "missing": True}, "conditions depend on it"
    assert not {"scales", "normGroups", "profiles", "key"} & set(
        json.dumps(form).replace('"', " ").split()
    )
