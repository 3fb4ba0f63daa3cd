"""Re-scoring over HTTP: starting it, following it, and what readers of results see."""

import pytest
from tests.integration.api.serving import Serving, document, problem

from stanine.client import Stanine

RESCORE, STATE = "/v1/instruments/a-mood:rescore", "/v1/instruments/a-mood/rescoring"


@pytest.fixture
def corrected(mood: Serving) -> Serving:
    """`a-mood` with four scored attempts, then published with its first item reversed."""
    receipts = [mood.submit(answers={"i1": value}, participant="p-1") for value in (1, 3, 5)]
    receipts.append(mood.submit(answers={"i1": 1, "i2": 2}))
    mood.score(*receipts)
    mood.publish(document(reverse=True))
    return mood


def test_a_dry_run_reports_the_changes_and_makes_none(corrected: Serving) -> None:
    begun = corrected.http().post(RESCORE, json={"dryRun": True})
    assert begun.status_code == 202
    assert begun.headers["location"] == STATE
    assert begun.json()["state"] == "Running"
    corrected.rescore()
    done = corrected.http().get(STATE).json()
    assert (done["state"], done["done"], done["total"], done["dryRun"]) == ("Completed", 4, 4, True)
    assert done["scorings"][0]["revision"] == 2
    report = done["report"]
    assert (report["attempts"], report["changed"], report["unchanged"]) == (4, 3, 1)
    # 1 becomes 5, 5 becomes 1, and (1 + 2) / 2 becomes (5 + 2) / 2.
    assert report["scales"]["mood"] == {
        "changed": 3, "becameNull": 0, "ceasedNull": 0, "bandsChanged": 0,
        "values": {"raw": {"changed": 3, "mean": 10 / 3, "largest": 4.0}},
    }  # fmt: skip
    listed = corrected.http().get("/v1/instruments/a-mood/results").json()["items"]
    assert all(each["scoringRevision"] == 1 and "replaced" not in each for each in listed)


def test_changed_results_appear_again_and_earlier_ones_are_kept(corrected: Serving) -> None:
    read = corrected.http().get("/v1/instruments/a-mood/results").json()
    corrected.http().post(RESCORE)
    corrected.rescore()
    new = corrected.http().get("/v1/instruments/a-mood/results", params={"after": read["next"]})
    items = new.json()["items"]
    assert [each["scales"]["mood"]["raw"] for each in items] == [5.0, 1.0, 3.5]
    assert {each["replaced"] for each in items} == {1}
    whole = corrected.http().get("/v1/instruments/a-mood/results").json()["items"]
    assert sorted(each["attempt"] for each in whole) == sorted(
        each["attempt"] for each in read["items"]
    )
    of_person = corrected.http().get("/v1/participants/p-1/results").json()["items"]
    assert sorted(each["scales"]["mood"]["raw"] for each in of_person) == [1.0, 3.0, 5.0]

    attempt = items[0]["attempt"]
    (earlier,) = corrected.http().get(f"/v1/attempts/{attempt}/result/history").json()["items"]
    assert (earlier["scales"]["mood"]["raw"], earlier["scoringRevision"]) == (1.0, 1)
    assert "replacedAt" in earlier
    current = corrected.http().get(f"/v1/attempts/{attempt}/result").json()
    assert current["scoringRevision"] == 2
    digests = [
        corrected.http().get("/v1/instruments/a-mood", params={"revision": each}).headers["etag"]
        for each in (1, 2)
    ]
    assert digests == [f'"{each["scoringDigest"]}"' for each in (earlier, current)]


def test_the_history_is_erased_with_the_attempt(corrected: Serving) -> None:
    corrected.http().post(RESCORE)
    corrected.rescore()
    attempt = corrected.http().get("/v1/instruments/a-mood/results").json()["items"][-1]["attempt"]
    assert corrected.http().delete(f"/v1/attempts/{attempt}").status_code == 204
    problem(corrected.http().get(f"/v1/attempts/{attempt}/result/history"), "not-found")
    arrival = int(attempt[-10:], 16)
    assert not corrected.redis.hexists(corrected.keys.history(0), str(arrival))


def test_a_token_starts_one_run_and_another_waits(corrected: Serving) -> None:
    first = corrected.http().post(RESCORE, json={"token": "once"}).json()
    again = corrected.http().post(RESCORE, json={"token": "once"})
    assert (again.status_code, again.json()["rescoring"]) == (202, first["rescoring"])
    problem(
        corrected.http().post(RESCORE, json={"token": "once", "dryRun": True}), "token-conflict"
    )
    detail = problem(corrected.http().post(RESCORE), "rescoring-running")["detail"]
    assert "0 of 4" in detail


def test_wrong_orders_and_unindexed_instruments_are_refused(corrected: Serving) -> None:
    refused = corrected.http().post(RESCORE, json={"dryrun": True})
    assert problem(refused, "invalid-request")["errors"]
    problem(corrected.http().get(STATE), "not-found")
    problem(corrected.http().post("/v1/instruments/a-none:rescore"), "not-found")
    corrected.publish(document(title="Other"), build=False)
    problem(corrected.http().post(RESCORE), "not-indexed")


def test_the_client_starts_and_follows_a_run(corrected: Serving) -> None:
    with Stanine(corrected.url, "admin-key") as client:
        started = client.instruments.rescore("a-mood", token="t")
        assert client.instruments.rescore("a-mood", token="t").rescoring == started.rescoring
        corrected.rescore()
        done = client.instruments.rescoring("a-mood")
        assert (done.state, done.report.changed) == ("Completed", 3)
        assert done.report.scales["mood"].values["raw"].largest == 4.0
        replaced = [each for each in client.results.list("a-mood") if each.replaced]
        assert len(replaced) == 3
        (earlier,) = client.results.history(replaced[0].attempt).items
        assert earlier.scoring_revision == 1
