"""A running API whose server is restored to older data: no result of others, no use of a lost form.

Each test restores the records and stores something else under the same numbers.
"""

import concurrent.futures
import json
import time
from typing import Any

import httpx
import pytest
from tests.integration.api.serving import Serving, backup, document, problem

ATTEMPTS = "/v1/instruments/a-mood/attempts"
NDJSON = {"content-type": "application/x-ndjson"}


def wipe(api: Serving) -> None:
    client: Any = api.redis
    client.delete(*client.keys(f"{api.keys.partition}:*"))


@pytest.mark.parametrize("by_token", [True, False])
def test_waiting_for_a_lost_attempt_never_returns_the_result_of_another(
    mood: Serving, by_token: bool
) -> None:
    put_back = backup(mood)
    lost = mood.submit(answers={"i1": 1})
    reader = mood.http(lost["token"]) if by_token else mood.http()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(reader.get, f"/v1/attempts/{lost['attempt']}/result?wait=10")
        time.sleep(0.2)
        put_back()
        other = mood.submit(answers={"i1": 5})
        assert other["attempt"][22:] == lost["attempt"][22:], "the same arrival number"
        assert other["attempt"] != lost["attempt"]
        mood.score(other)
        problem(waiting.result(5), "not-found")
    for address in (f"/v1/attempts/{lost['attempt']}/result", f"/v1/attempts/{lost['attempt']}"):
        problem(mood.http().get(address), "not-found")
    problem(mood.http(lost["token"]).get(f"/v1/attempts/{other['attempt']}/result"), "not-found")
    assert (
        mood.http(other["token"])
        .get(f"/v1/attempts/{other['attempt']}/result")
        .json()["scales"]["mood"]["raw"]
        == 5
    )


def test_a_lost_submission_is_never_answered_with_another_result(
    mood: Serving,
) -> None:
    put_back = backup(mood)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            mood.http().post, f"{ATTEMPTS}?wait=10", json={"answers": {"i1": 1}, "key": "mine"}
        )
        while not mood.redis.get(mood.keys.arrivals):
            time.sleep(0.005)
        time.sleep(0.1)
        put_back()
        other = mood.submit(answers={"i1": 5}, key="theirs")
        mood.score(other)
        answer = waiting.result(5)
    assert answer.status_code == 202
    assert answer.json()["attempt"] != other["attempt"]
    assert "scales" not in answer.json()


@pytest.mark.parametrize("bulk", [False, True])
def test_an_attempt_is_not_accepted_by_a_lost_form(api: Serving, bulk: bool) -> None:
    """The lost form is cached; the stored document has the same name, number and revision."""
    api.publish(document(items=2))
    put_back = backup(api)
    wipe(api)
    assert api.publish(document(items=3)).json()["revision"] == 1
    put_back()

    def send(answers: dict[str, int]) -> tuple[int, dict[str, Any]]:
        attempt = {"key": "k", "answers": answers}
        if not bulk:
            single: httpx.Response = api.http().post(ATTEMPTS, json=attempt)
            return single.status_code, single.json()
        line = (
            api.http()
            .post(f"{ATTEMPTS}:bulk", content=json.dumps(attempt).encode(), headers=NDJSON)
            .json()
        )
        return line["status"], line.get("problem") or line

    status, refused = send({"i1": 1, "i2": 2, "i3": 3})
    assert (status, refused["errors"][0]["pointer"]) == (422, "/answers/i3")
    assert api.redis.get(api.keys.arrivals) is None
    status, receipt = send({"i1": 1, "i2": 2})
    assert status == 202
    assert api.http().get(f"/v1/attempts/{receipt['attempt']}").json()["answers"] == {
        "i1": 1,
        "i2": 2,
    }


def test_results_are_presented_by_the_stored_documents(api: Serving) -> None:
    """Two instruments, published again in reverse order, exchange their numbers."""
    for name in ("a-two", "a-one"):
        api.publish(document(name, reverse=name == "a-two"))
    put_back = backup(api)
    wipe(api)
    for name in ("a-one", "a-two"):
        api.publish(document(name))
        api.score(api.submit(name, answers={"i1": 1, "i2": 2, "i3": 3}))
    put_back()
    receipts = {
        name: api.submit(name, answers={"i1": 1, "i2": 2, "i3": 3}, participant="p")
        for name in ("a-one", "a-two")
    }
    api.score(*receipts.values())
    for name, raw in (("a-one", 2.0), ("a-two", 10 / 3)):
        (item,) = api.http().get(f"/v1/instruments/{name}/results").json()["items"]
        assert (item["attempt"], item["instrument"]) == (receipts[name]["attempt"], name)
        assert item["scales"]["mood"]["raw"] == pytest.approx(raw)
        assert api.http().get(f"/v1/attempts/{item['attempt']}/result").json() == item
    person = api.http().get("/v1/participants/p/results").json()["items"]
    assert sorted(item["instrument"] for item in person) == ["a-one", "a-two"]


def test_an_emptied_server_works_again_after_publication(mood: Serving) -> None:
    mood.submit(answers={"i1": 1})
    wipe(mood)
    assert mood.http().get(ATTEMPTS.removesuffix("/attempts")).status_code == 404
    mood.publish(document())
    receipt = mood.submit(answers={"i1": 4})
    mood.score(receipt)
    assert (
        mood.http().get(f"/v1/attempts/{receipt['attempt']}/result").json()["scales"]["mood"]["raw"]
        == 4
    )
