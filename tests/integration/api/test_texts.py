"""Forms and scales in several languages, and warnings of documents, over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.serving import NARROW, Serving, document, only, problem

from stanine.domain.instruments.document import read_yaml

EVERY_FEATURE = Path(__file__).parents[2] / "unit" / "domain" / "every_feature.yaml"


@pytest.fixture
def rich(api: Serving) -> Serving:
    plain: Any = read_yaml(EVERY_FEATURE.read_bytes())
    api.publish(plain)
    return api


@pytest.mark.parametrize("part", ["form", "scales"])
def test_texts_are_served_in_the_requested_language(rich: Serving, part: str) -> None:
    path = f"/v1/instruments/example/{part}"
    own, german = {"language": "en"}, {"language": "de"}
    asked: list[tuple[dict[str, str], dict[str, str], dict[str, str]]] = [
        ({}, {}, own),
        ({"accept-language": "de-AT,de;q=0.9,en;q=0.8"}, {}, german),
        ({"accept-language": "fr,en;q=0.5,de;q=0.1"}, {}, own),
        ({"accept-language": "de"}, {"language": "en"}, own),
        ({"accept-language": "en"}, {"language": "de"}, german),
        ({}, {"language": "ja"}, own),
    ]
    for _ in range(2):
        for headers, query, expected in asked:
            answer = rich.http().get(path, headers=headers, params=query)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert (body["language"], body["languages"]) == (expected["language"], ["en", "de"])
            assert answer.headers["content-language"] == expected["language"]
            assert "accept-language" in answer.headers["vary"].lower()
            assert (body["title"] == "Alles") == (expected is german)
    problem(rich.http().get(path, params={"language": "no language"}), "malformed-request")


def test_scales_show_titles_ranges_and_bands_of_a_revision_and_no_keys(rich: Serving) -> None:
    body = rich.http(only("results:read")).get("/v1/instruments/example/scales").json()
    assert (body["name"], body["revision"], body["form"]) == ("example", 1, 1)
    by_id = {scale["id"]: scale for scale in body["scales"]}
    assert by_id["agreeableness"]["range"] == [1, 3]
    assert by_id["agreeableness"]["interval"] == {"kind": "Observed", "level": 0.95}
    assert by_id["agreeableness"]["bands"][1:] == [
        {"id": "mid", "from": 45},
        {"id": "high", "above": 55},
    ]
    assert set(by_id["drinking"]["bandsByGroup"]) == {"men", "everyone"}
    assert body["profiles"][0]["id"] == "style"
    assert not {"key", "points", "formula", "items"} & set(by_id["agreeableness"])


def test_scales_are_those_of_the_revision_and_need_their_scope(mood: Serving) -> None:
    path = "/v1/instruments/a-mood/scales"
    changed = document()
    changed["spec"]["scales"][0]["title"] = "Mood of today"
    mood.publish(changed)
    titles = [
        mood.http().get(path, params=query).json()["scales"][0].get("title")
        for query in ({"revision": 1}, {"revision": 2}, {}, {"revision": 1})
    ]
    assert titles == [None, "Mood of today", "Mood of today", None]
    assert mood.http().get(path).json()["scales"][0]["range"] == [1, 5]
    problem(mood.http().get(path, params={"revision": 9}), "not-found")
    problem(mood.http().get("/v1/instruments/none/scales"), "not-found")
    problem(mood.http(NARROW).get("/v1/instruments/b-mood/scales"), "not-found")
    problem(mood.http(only("attempts:write")).get(path), "missing-scope")


def test_a_publication_returns_warnings(api: Serving) -> None:
    doubtful = document()
    doubtful["spec"]["scales"][0]["reliability"] = 0.8
    for _ in range(2):
        body = api.publish(doubtful, build=False).json()
        assert [(one["pointer"], one["code"]) for one in body["warnings"]] == [
            ("spec.scales[0].reliability", "NoEffect")
        ]
        assert body["warningCount"] == 1
        assert "no effect" in body["warnings"][0]["detail"]
