"""The stream of an instrument's attempts over HTTP: lines, tables, filters, resumption, refusals."""

import csv
import io
import json
import threading
from typing import Any

import httpx
import pytest
from tests.integration.api.serving import (
    ADMIN,
    ALL_SCOPES,
    Serving,
    backup,
    document,
    key_entry,
    only,
    problem,
    write_keys,
)
from tests.integration.api.test_every_feature import ATTEMPT, DOCUMENT

LIST = "/v1/instruments/a-mood/attempts"
FED = "/v1/instruments/a-mood/results"
CSV = {"accept": "text/csv"}


def stream(
    api: Serving, address: str = LIST, *, key: str = ADMIN, **query: Any
) -> tuple[list[dict[str, Any]], str]:
    """Return the attempts of an answer, and its last cursor."""
    answer = api.http(key).get(address, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert all(set(line) == {"next"} or "attempt" in line for line in lines)
    return [line for line in lines if "attempt" in line], lines[-1]["next"] if lines else ""


def ids(lines: list[dict[str, Any]]) -> list[str]:
    return [line["attempt"] for line in lines]


def table(api: Serving, address: str = LIST, **query: Any) -> list[dict[str, str]]:
    answer = api.http().get(address, params=query, headers=CSV)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def submit(api: Serving, count: int, name: str = "a-mood") -> list[str]:
    return [api.submit(name, answers={"i1": n % 5 + 1})["attempt"] for n in range(count)]


def test_every_attempt_is_listed_with_or_without_a_result(mood: Serving) -> None:
    mood.publish(document("a-other"))
    first, second = submit(mood, 2)
    submit(mood, 3, "a-other")
    third = mood.submit(
        answers={"i1": 5, "i3": 2}, key="k", participant="p", language="de", seconds=3
    )
    mood.score({"attempt": second})
    lines, _ = stream(mood)
    assert ids(lines) == [first, second, third["attempt"]]
    assert [line["state"] for line in lines] == ["Submitted", "Scored", "Submitted"]
    assert lines[2] == {
        "attempt": third["attempt"], "revision": 1, "form": 1, "state": "Submitted",
        "submittedAt": lines[2]["submittedAt"], "key": "k", "participant": "p", "language": "de",
        "seconds": 3, "answers": {"i1": 5, "i2": None, "i3": 2},
    }  # fmt: skip
    read = mood.http().get(f"/v1/attempts/{third['attempt']}").json()
    assert read["answers"] == lines[2]["answers"]
    assert read["submittedAt"] == lines[2]["submittedAt"]


def test_included_results_are_those_of_the_result_feed(mood: Serving) -> None:
    (one,) = submit(mood, 1)
    mood.score({"attempt": one})
    mood.publish(document(title="Turned", reverse=True))
    (two,) = submit(mood, 1)
    mood.score({"attempt": two})
    fed = mood.http().get("/v1/instruments/a-mood/results").json()["items"]
    lines, _ = stream(mood, include="results")
    for line, result in zip(lines, fed, strict=True):
        assert {
            name: result[name] for name in ("attempt", "scales", "scoringRevision", "engine")
        } == {name: line[name] for name in ("attempt", "scales", "scoringRevision", "engine")}
        assert "answers" not in line
    for row, result in zip(table(mood, include="results"), fed, strict=True):
        assert float(row["mood.raw"]) == result["scales"]["mood"]["raw"]
        assert row["attempt.scoringRevision"] == str(result["scoringRevision"])


def test_reading_is_resumed_by_a_cursor_or_by_an_attempts_id(mood: Serving) -> None:
    attempts = submit(mood, 7)
    lines, cursor = stream(mood, limit=3)
    assert ids(lines) == attempts[:3]
    assert ids(stream(mood, after=cursor)[0]) == attempts[3:]
    assert ids(stream(mood, after=attempts[4])[0]) == attempts[5:]
    assert [row["attempt"] for row in table(mood, after=attempts[4])] == attempts[5:]
    _, end = stream(mood, after=attempts[4])
    assert stream(mood, after=end) == ([], end)
    later = submit(mood, 1)
    assert ids(stream(mood, after=end)[0]) == later


def test_a_cursor_survives_erasure_but_not_other_data(mood: Serving) -> None:
    attempts = submit(mood, 4)
    _, cursor = stream(mood, limit=2)
    for each in attempts[1:3]:
        assert mood.http().delete(f"/v1/attempts/{each}").is_success
    assert ids(stream(mood, after=cursor)[0]) == attempts[3:]
    assert ids(stream(mood, after=attempts[1])[0]) == attempts[3:]
    assert ids(stream(mood)[0]) == [attempts[0], attempts[3]]
    put_back = backup(mood)
    lost = submit(mood, 2)
    _, unknown = stream(mood, after=cursor)
    put_back()
    kept = submit(mood, 3)
    for place in (unknown, lost[0]):
        refused = mood.http().get(LIST, params={"after": place})
        assert refused.status_code == 410
        following = problem(refused, "history-changed")["next"]
        assert set(ids(stream(mood, after=following)[0])) >= set(kept)


def test_filters_select_attempts(mood: Serving) -> None:
    keyed = mood.submit(answers={"i1": 1}, key="visit-1", participant="p-1")["attempt"]
    other = mood.submit(answers={"i1": 2}, participant="p-1")["attempt"]
    third = mood.submit(answers={"i1": 2})["attempt"]
    mood.score({"attempt": other})
    assert ids(stream(mood, key=only("attempts:read"), participant="p-1")[0]) == [keyed, other]
    assert ids(stream(mood, state="Scored")[0]) == [other]
    assert ids(stream(mood, state="Submitted")[0]) == [keyed, third]
    answer = mood.http().get(LIST, params={"key": "visit-1"})
    assert json.loads(answer.text.splitlines()[0])["attempt"] == keyed
    at = stream(mood)[0][1]["submittedAt"]
    assert other in ids(stream(mood, **{"from": at})[0])
    assert other not in ids(stream(mood, to=at)[0])
    assert ids(stream(mood, **{"from": "2020-01-01", "to": "2020-02-01"})[0]) == []


@pytest.mark.parametrize(
    ("query", "about"),
    [
        ({"include": "answers,scores"}, "answers, attributes, labels, results"),
        ({"include": "labels"}, "labels"),
        ({"from": "yesterday"}, "a time"),
        ({"from": "2026-11-30T08:00:00"}, "a time"),
        ({"state": "Open"}, "Submitted, Scored, Failed"),
        ({"after": "x"}, "`next`"),
        ({"limit": "0"}, "a whole number"),
    ],
)
def test_a_faulty_query_is_refused_before_the_answer_begins(
    shared: Serving, query: dict[str, str], about: str
) -> None:
    refused = shared.http().get(LIST, params=query)
    assert refused.status_code == 400
    assert about in problem(refused, "malformed-request")["detail"]


def test_results_can_include_the_parts_of_the_attempt_list(mood: Serving) -> None:
    attempts = submit(mood, 3)
    last = mood.submit(answers={"i1": 2}, key="k", seconds=4)["attempt"]
    for attempt in (last, *attempts[::-1]):  # commits in the reverse order of arrival
        mood.score({"attempt": attempt})
    parts = "answers,attributes,labels"
    listed = {line["attempt"]: line for line in stream(mood, include=f"{parts},results")[0]}
    page = mood.http().get(FED, params={"include": parts, "limit": 3}).json()
    rest = mood.http().get(FED, params={"include": parts, "after": page["next"]}).json()
    fed = page["items"] + rest["items"]
    assert ids(fed) == [last, *attempts[::-1]]
    for each in fed:
        line = listed[each["attempt"]]
        assert line == {name: each[name] for name in line}
    plain = mood.http().get(FED, params={"include": "quality"}).json()
    assert not {"answers", "attributes", "labels", "seconds"} & set(plain["items"][0])
    both = mood.http().get(FED, params={"include": "quality,answers"}).json()["items"][0]
    assert both["quality"] == plain["items"][0]["quality"]
    assert both["answers"] == listed[last]["answers"]
    problem(mood.http().get(FED, params={"include": "labels"}), "malformed-request")


@pytest.mark.parametrize("include", ["answers", "attributes", "answers,labels", "quality,answers"])
def test_results_with_parts_of_attempts_need_the_scope_of_attempts(
    shared: Serving, include: str
) -> None:
    reader = shared.http(only("results:read"))
    assert reader.get(FED, params={"include": "quality"}).status_code == 200
    refused = reader.get(FED, params={"include": include})
    assert "attempts:read" in problem(refused, "missing-scope")["detail"]
    reader = shared.http(only("attempts:read"))
    problem(reader.get(FED, params={"include": include}), "missing-scope")


def test_results_need_their_own_scope(mood: Serving) -> None:
    submit(mood, 1)
    reader = mood.http(only("attempts:read"))
    assert reader.get(LIST).status_code == 200
    for headers in ({}, CSV):
        refused = reader.get(LIST, params={"include": "answers,results"}, headers=headers)
        assert refused.status_code == 403
        assert "results:read" in problem(refused, "missing-scope")["detail"]
    problem(mood.http(only("attempts:write")).get(LIST), "missing-scope")


def test_a_table_has_the_columns_of_every_kind_of_item(api: Serving) -> None:
    api.publish(DOCUMENT)
    answers = {**ATTEMPT["answers"], "note": '=HYPERLINK("x"),\r\nand "quotes"', "d1": 0}
    sent = api.submit("example", **{**ATTEMPT, "answers": answers})
    api.submit("example", answers={"A1": "na", "m1": ["none"]}, attributes={"years": 90.0})
    first, second = table(
        api, "/v1/instruments/example/attempts", include="answers,attributes,labels"
    )
    assert first["key"] == "row-17"
    assert first["Q1"] == "2", "the column that the document names"
    assert (first["m1.a"], first["m1.b"], first["m1.none"]) == ("1", "0", "0")
    assert (first["r1.f"], first["r1.w"]) == ("2", "1")
    assert first["note"].startswith("'=HYPERLINK")
    assert first["since"] == "2026-11-29"
    assert (first["sex"], first["sex.label"]) == ("female", "Female")
    assert first["attempt.notShown"] == "d2"
    assert second["Q1"] == "na"
    assert (second["m1.a"], second["m1.b"], second["m1.none"]) == ("0", "0", "1")
    (line, other), _ = stream(
        api, "/v1/instruments/example/attempts", include="answers,attributes,labels"
    )
    assert line["attempt"] == sent["attempt"]
    assert line["answers"]["note"] == answers["note"]
    assert line["notShown"] == ["d2"]
    assert line["labels"]["attributes"] == {"sex": "Female"}
    assert other["labels"]["answers"] == {"m1": ["none"]}
    german, _ = stream(
        api, "/v1/instruments/example/attempts", include="attributes,labels", language="de"
    )
    assert german[0]["labels"]["attributes"] == {"sex": "Frau"}


def test_attempts_of_all_forms_share_a_table(mood: Serving) -> None:
    submit(mood, 1)
    mood.publish(document(items=4, form="ward"))
    mood.submit(answers={"i4": 3}, attributes={"ward": "B"})
    rows = table(mood)
    assert [row["revision"] for row in rows] == ["1", "2"]
    assert [row["i4"] for row in rows] == ["", "3"]
    assert [row["ward"] for row in rows] == ["", "B"]
    assert [*rows[0]][-5:] == ["i1", "i2", "i3", "i4", "attempt.notShown"]


def test_an_empty_list_is_a_header_or_a_cursor(shared: Serving) -> None:
    assert stream(shared)[0] == []
    answer = shared.http().get(LIST, headers=CSV)
    assert answer.text.count("\n") == 1
    head = shared.http().head(LIST)
    assert (head.status_code, head.content) == (200, b"")


def test_a_stream_ends_when_its_key_is_revoked(api: Serving, monkeypatch: Any) -> None:
    """The connection is aborted: an answer that ends normally is complete."""
    monkeypatch.setattr("stanine.api.attempt_reader.ATTEMPTS_PER_CALL", 10)
    api.publish(document())
    lines = b"".join(
        json.dumps({"key": f"k{n}", "answers": {"i1": 1}}).encode() + b"\n" for n in range(3000)
    )
    sent = api.http().post(
        f"{LIST}:bulk", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    assert sent.status_code == 200
    write_keys(api.keys_file, key_entry("reader", ALL_SCOPES, ["*"]))
    threading.Event().wait(1.5)
    read: list[str] = []

    def revoke_while_reading() -> None:
        with api.http("reader").stream("GET", LIST) as answer:
            for line in answer.iter_lines():
                read.append(line)
                write_keys(api.keys_file)
                api.api._keyring.load()

    with pytest.raises(httpx.RemoteProtocolError):
        revoke_while_reading()
    assert 1 <= len(read) < 3000
