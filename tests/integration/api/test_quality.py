"""Language, duration and quality figures of attempts over HTTP."""

import json
from typing import Any

from tests.integration.api.serving import Serving, only, problem

FIGURES = {"items": 3, "missing": 1, "missingShare": 1 / 3, "longestRun": 2, "seconds": 42.5}
ATTEMPT: Any = {"answers": {"i1": 4, "i2": 4}, "language": "pt-BR", "seconds": 42.5, "key": "k"}


def test_language_and_seconds_are_returned_and_part_of_the_content_digest(
    mood: Serving,
) -> None:
    receipt = mood.submit(**ATTEMPT)
    stored = mood.http().get(f"/v1/attempts/{receipt['attempt']}").json()
    assert (stored["language"], stored["seconds"]) == ("pt-BR", 42.5)
    assert "quality" not in stored
    assert mood.submit(**ATTEMPT)["repeated"]
    problem(
        mood.http().post("/v1/instruments/a-mood/attempts", json=ATTEMPT | {"language": "pt"}),
        "key-conflict",
    )
    plain = mood.submit(answers={"i1": 4})
    stored = mood.http().get(f"/v1/attempts/{plain['attempt']}").json()
    assert not {"language", "seconds"} & set(stored)


def test_quality_is_returned_on_request(mood: Serving) -> None:
    receipt = mood.submit(**ATTEMPT, participant="p-1")
    mood.score(receipt)
    attempt = f"/v1/attempts/{receipt['attempt']}"
    results = f"{attempt}/result", "/v1/instruments/a-mood/results", "/v1/participants/p-1/results"
    for path in (attempt, *results):
        body = mood.http().get(path, params={"include": "quality"}).json()
        assert body.get("items", [body])[0]["quality"] == FIGURES, path
        body = mood.http().get(path).json()
        assert "quality" not in body.get("items", [body])[0], path
    assert mood.http().get(results[0]).json()["language"] == "pt-BR"
    for wrong in ("", "answers", "quality,quality", "Quality"):
        problem(mood.http().get(attempt, params={"include": wrong}), "malformed-request")


def test_a_token_reads_no_quality_figures(mood: Serving) -> None:
    receipt = mood.submit(**ATTEMPT)
    mood.score(receipt)
    bearer = {"authorization": f"Bearer {receipt['token']}"}
    path = f"/v1/attempts/{receipt['attempt']}/result"
    assert mood.http(None).get(path, headers=bearer).status_code == 200
    problem(mood.http(None).get(f"{path}?include=quality", headers=bearer), "missing-scope")
    by_key = mood.http(only("results:read")).get(f"{path}?include=quality")
    assert by_key.json()["quality"] == FIGURES


def test_bulk_lines_keep_language_and_seconds(mood: Serving) -> None:
    answer = mood.http().post(
        "/v1/instruments/a-mood/attempts:bulk",
        content=json.dumps(ATTEMPT) + "\n",
        headers={"content-type": "application/x-ndjson"},
    )
    attempt = json.loads(answer.text)["attempt"]
    stored = mood.http().get(f"/v1/attempts/{attempt}").json()
    assert (stored["language"], stored["seconds"]) == ("pt-BR", 42.5)
