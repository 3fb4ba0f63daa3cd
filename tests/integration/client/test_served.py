"""The client against the API as it is served: what it sends is taken, and what comes back is read."""

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.integration.api.serving import ADMIN, NARROW, Serving, backup, document, only

from stanine.client import AsyncStanine, AttemptRequest, RetryPolicy, Stanine, errors

EVERY_FEATURE = Path(__file__).parents[2] / "unit" / "domain" / "every_feature.yaml"
ANSWERS = {"i1": 2, "i2": 3, "i3": 4}


def test_an_instrument_is_published_once_and_read_as_it_was_sent(
    client: Stanine, mood: Serving
) -> None:
    again = client.instruments.publish("a-mood", document())
    assert (again.revision, again.changed, again.indexed) == (1, False, True)
    text = client.instruments.get("a-mood")
    assert text.document == document()
    assert client.instruments.get("a-mood", known=text) is text
    changed = client.instruments.publish("a-mood", document(title="Other"), if_match=text.etag)
    assert (changed.revision, changed.changed) == (2, True)
    with pytest.raises(errors.PreconditionFailedError):
        client.instruments.publish("a-mood", document(title="Third"), if_match=text.etag)
    with pytest.raises(errors.PreconditionFailedError):
        client.instruments.publish("a-mood", document(title="Third"), only_new=True)
    assert client.instruments.get("a-mood", revision=1).document == document()
    assert [each.name for each in client.instruments.list()] == ["a-mood"]
    assert [item.id for item in client.instruments.form("a-mood").items] == ["i1", "i2", "i3"]


def test_a_yaml_text_is_published_and_an_invalid_document_says_every_place(client: Stanine) -> None:
    text = yaml.safe_dump(document("a-yaml"))
    assert client.instruments.publish("a-yaml", text, media_type="application/yaml").revision == 1
    broken: dict[str, Any] = document("a-broken")
    broken["spec"]["scales"][0]["items"] = ["nothing", "i1"]
    with pytest.raises(errors.InvalidDocumentError) as raised:
        client.instruments.publish("a-broken", broken)
    assert any("spec.scales[0]" in each.pointer for each in raised.value.errors)
    assert "spec.scales[0]" in str(raised.value)


def test_warnings_texts_scales_and_quality_are_read_as_they_are_served(
    client: Stanine, api: Serving
) -> None:
    plain: Any = yaml.safe_load(EVERY_FEATURE.read_text())
    plain["metadata"]["name"] = "a-rich"
    plain["spec"]["retentionDays"] = 30
    api.publish(plain)
    published = client.instruments.publish("a-rich", plain)
    assert ("spec.scales[5].notShown", "ExcludeUnderSum") in {
        (one.pointer, one.code) for one in published.warnings
    }
    assert published.warning_count == len(published.warnings)
    form = client.instruments.form("a-rich", language="de")
    by_id = {item.id: item for item in form.items}
    assert (form.title, form.language, form.languages) == ("Alles", "de", ["en", "de"])
    assert (by_id["pain"].options, by_id["pain"].max, by_id["d2"].when) == ([], 10, "d1 > 0")
    scales = client.instruments.scales("a-rich", revision=1, language="de")
    first = next(scale for scale in scales.scales if scale.id == "agreeableness")
    assert (scales.language, first.range, first.report) == ("de", (1, 3), "T")
    assert first.bands is not None
    assert [(band.id, band.from_, band.above) for band in first.bands] == [
        ("low", None, None),
        ("mid", 45, None),
        ("high", None, 55),
    ]
    receipt = client.attempts.submit(
        "a-rich", {"A1": 2, "d1": 0}, participant="p", language="de", seconds=12.5
    )
    stored = client.attempts.get(receipt.attempt, quality=True)
    assert (stored.language, stored.seconds) == ("de", 12.5)
    assert stored.quality is not None
    assert (stored.quality.longest_run, stored.quality.seconds) == (1, 12.5)
    assert client.attempts.get(receipt.attempt).quality is None
    api.score({"attempt": receipt.attempt})
    result = client.results.get(receipt.attempt, quality=True)
    assert result is not None
    assert (result.language, result.quality, result.form) == ("de", stored.quality, 1)
    assert result.scales is not None
    assert result.profiles is not None
    assert result.scales["agreeableness"].norm == "everyone"
    assert result.profiles["style"].code is None
    for listed in (
        client.results.list("a-rich", quality=True),
        client.results.of_participant("p", quality=True),
    ):
        assert [each.quality for each in listed] == [stored.quality]
    assert "12.5" not in repr(result) + repr(stored) + repr(stored.quality)


def test_publishing_waits_until_the_revision_is_indexed_or_says_that_it_is_not(
    client: Stanine, mood: Serving
) -> None:
    with pytest.raises(errors.NotIndexedInTimeError):
        client.instruments.publish("a-new", document("a-new"), wait=0.3)
    timer = threading.Timer(0.5, mood.build, ["a-new"])
    timer.start()
    published = client.instruments.publish("a-new", document("a-new"), wait=20)
    timer.join()
    assert published.indexed


def test_an_attempt_is_stored_once_by_its_key(client: Stanine) -> None:
    first = client.attempts.submit("a-mood", ANSWERS, key="k", participant="p")
    again = client.attempts.submit("a-mood", AttemptRequest(ANSWERS, "k", participant="p"))
    assert (first.attempt, first.token, first.repeated, again.repeated) == (
        again.attempt,
        again.token,
        False,
        True,
    )
    with pytest.raises(errors.KeyConflictError):
        client.attempts.submit("a-mood", {"i1": 1}, key="k")
    stored = client.attempts.get(first.attempt)
    assert (stored.answers, stored.key, stored.participant, stored.state) == (
        ANSWERS,
        "k",
        "p",
        "Submitted",
    )
    with pytest.raises(errors.InvalidAttemptError) as raised:
        client.attempts.submit("a-mood", {"i1": 9, "other": 1})
    assert {each.pointer for each in raised.value.errors} == {"/answers/i1", "/answers/other"}


def test_a_result_is_waited_for_by_the_attempts_own_token(client: Stanine, mood: Serving) -> None:
    receipt = client.attempts.submit("a-mood", ANSWERS)
    with Stanine(mood.url) as stranger:
        assert stranger.results.get(receipt.attempt, token=receipt.token) is None
        with pytest.raises(errors.NotScoredError):
            stranger.results.wait_for(receipt.attempt, token=receipt.token, timeout=0.2)
        threading.Timer(0.3, mood.score, [{"attempt": receipt.attempt}]).start()
        result = stranger.results.wait_for(receipt.attempt, token=receipt.token, timeout=20)
    assert result.scales is not None
    assert (result.state, result.scales["mood"].raw, result.scales["mood"].band) == (
        "Scored",
        3.0,
        msgspec.UNSET,
    )


def test_submit_and_wait_returns_the_result(mood: Serving, client: Stanine) -> None:
    found: list[Any] = []
    submitted = client.attempts.submit("a-mood", ANSWERS, key="mine")
    thread = threading.Thread(
        target=lambda: found.append(
            client.attempts.submit_and_wait("a-mood", ANSWERS, key="mine", timeout=30)
        )
    )
    thread.start()
    mood.score({"attempt": submitted.attempt})
    thread.join(30)
    assert (found[0].attempt, found[0].state) == (submitted.attempt, "Scored")
    with pytest.raises(errors.NotScoredError):
        client.attempts.submit_and_wait("a-mood", ANSWERS, timeout=0.2)


def test_many_attempts_are_submitted_waited_for_and_listed(mood: Serving, client: Stanine) -> None:
    lines = [
        AttemptRequest({"i1": number % 5 + 1}, f"k{number}", participant="p")
        for number in range(1_203)
    ]
    lines[7] = AttemptRequest({"i1": 99}, "bad")
    answers = list(client.attempts.submit_many("a-mood", lines))
    assert [each.line for each in answers] == list(range(1, 1_204))
    assert [each.line for each in answers if each.problem] == [8]
    taken = [each for each in answers if each.problem is None]
    assert not any(each.repeated for each in taken)
    assert all(
        each.repeated for each in client.attempts.submit_many("a-mood", lines) if not each.problem
    )
    for start in range(0, len(taken), 100):
        mood.score(*({"attempt": each.attempt} for each in taken[start : start + 100]))
    waited = list(client.attempts.wait_for("a-mood", taken, timeout=30))
    assert {each.attempt for each, result in waited if result.state == "Scored"} == {
        each.attempt for each in taken
    }
    assert len(waited) == len(taken)
    listing = client.results.list("a-mood", page_size=100)
    assert {each.attempt for each in listing} == {each.attempt for each in taken}
    assert len(list(client.results.of_participant("p"))) == len(taken)
    assert list(client.results.list("a-mood", after=listing.cursor)) == []
    with Stanine(
        mood.url, only("attempts:write")
    ) as narrow:  # no results:read: each is asked for by its token
        assert len(list(narrow.attempts.wait_for("a-mood", taken[:210], timeout=30))) == 210
    with Stanine(mood.url) as stranger:
        assert len(list(stranger.attempts.wait_for("a-mood", taken[:210], timeout=30))) == 210


def test_a_list_is_read_on_over_a_restored_backup(mood: Serving, client: Stanine) -> None:
    receipts = [client.attempts.submit("a-mood", ANSWERS).attempt for _ in range(4)]
    mood.score(*({"attempt": each} for each in receipts[:2]))
    put_back = backup(mood)
    strict = client.results.list("a-mood")
    lenient = client.results.list("a-mood", on_history_change="continue")
    mood.score(*({"attempt": each} for each in receipts[2:]))
    assert len(list(strict)) == len(list(lenient)) == 4
    put_back()
    more = client.attempts.submit("a-mood", {"i1": 1}).attempt
    mood.score({"attempt": more})
    with pytest.raises(errors.HistoryChangedError) as raised:
        list(strict)
    assert {
        each.attempt for each in client.results.list("a-mood", after=raised.value.following)
    } >= {more}
    assert [each.attempt for each in lenient] == [more]


def test_an_operator_sees_and_changes_queues_settings_and_tokens(
    mood: Serving, client: Stanine
) -> None:
    client.attempts.submit("a-mood", ANSWERS)
    assert {each.queue for each in client.queues.list()} == {"index", "results"}
    assert client.queues.pause("results").state == "Paused"
    assert client.queues.drain("results").state == "Draining"
    assert client.queues.resume("results").state == "Running"
    assert list(client.queues.dead_letters("results")) == []
    assert client.queues.purge("results", "ready", token="t").count == 1
    assert client.queues.purge("results", "ready", token="t").repeated
    with pytest.raises(errors.TokenConflictError):
        client.queues.purge("results", "dead", token="t")
    assert client.queues.requeue_dead("results", everything=True).count == 0
    assert client.queues.delete_dead("results", ["1-2"]).count == 0
    for call in (client.queues.dead_letter, client.queues.delete_dead_letter):
        with pytest.raises(errors.NotFoundError):
            call("results", "1-2")
    done = client.config.change({"sweepSeconds": 7})
    assert done.changed
    assert {each.name: each.value for each in client.config.get().settings}["sweepSeconds"] == 7
    with pytest.raises(errors.ConfigConflictError):
        client.config.change({"sweepSeconds": 8}, revision=done.revision + 5)
    client.config.change({"sweepSeconds": None})
    assert client.config.rollback(done.revision).changed
    assert client.config.history()[0].of == done.revision
    assert client.tokens.rotate(keep_seconds=60).former_valid_until > "2020"


def test_a_record_written_as_json_is_what_the_server_sent(mood: Serving, client: Stanine) -> None:
    receipts = [
        client.attempts.submit("a-mood", answers, key=key)
        for key, answers in (("k", ANSWERS), ("other", {"i1": 1}))
    ]
    mood.score(*({"attempt": each.attempt} for each in receipts))
    client.config.change({"sweepSeconds": 7})
    attempt = receipts[0].attempt
    results = client.results.list("a-mood")
    for path, record in {
        "/v1/instruments": {"items": list(client.instruments.list()), "next": None},
        "/v1/instruments/a-mood": client.instruments.get("a-mood").document,
        "/v1/instruments/a-mood/form": client.instruments.form("a-mood"),
        f"/v1/attempts/{attempt}": client.attempts.get(attempt),
        f"/v1/attempts/{attempt}/result": client.results.get(attempt),
        "/v1/instruments/a-mood/results": {"items": list(results), "next": results.cursor},
        "/v1/queues": {"items": client.queues.list(), "next": None},
        "/v1/queues/index": client.queues.get("index"),
        "/v1/config": client.config.get(),
        "/v1/config/history": {"items": client.config.history(), "next": None},
    }.items():
        sent = mood.http().get(path).json()
        shown = json.loads(msgspec.json.encode(record))
        for each in (*(sent.get("items", [])), *(shown.get("items", [])), sent, shown):
            if (
                "bytes" in each or "oldestSeconds" in each
            ):  # these change from one moment to the next
                each.update({name: ... for name in ("bytes", "oldestSeconds") if name in each})
        assert shown == sent
        assert list(shown) == list(sent), path


def test_no_log_of_any_level_holds_a_key_a_token_or_an_answer(
    mood: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (None, "httpcore", "httpx"):  # whatever a process of another test has set
        caplog.set_level(logging.DEBUG, logger=name)
    with Stanine(mood.url, ADMIN) as client:
        receipt = client.attempts.submit("a-mood", ANSWERS, participant="somebody")
        client.results.get(receipt.attempt, token=receipt.token)
        list(
            client.attempts.submit_many(
                "a-mood", [AttemptRequest(ANSWERS, "k", participant="somebody")]
            )
        )
        with pytest.raises(errors.InvalidAttemptError):
            client.attempts.submit("a-mood", {"i1": 77})
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}
    for secret in (ADMIN, receipt.token, '"i1"', "somebody"):
        assert secret not in caplog.text


def test_what_the_key_may_not_do_is_an_error_of_its_own(mood: Serving) -> None:
    with Stanine(mood.url, "nobody's") as client, pytest.raises(errors.UnauthenticatedError):
        client.queues.list()
    with (
        Stanine(mood.url, only("attempts:write")) as client,
        pytest.raises(errors.MissingScopeError),
    ):
        client.queues.list()
    with Stanine(mood.url, NARROW) as client, pytest.raises(errors.NotFoundError):
        client.attempts.submit("other", ANSWERS)
    with (
        Stanine("http://127.0.0.1:1", "k", retries=RetryPolicy(patience_unreached=0.2)) as client,
        pytest.raises(errors.UnreachableError),
    ):
        client.queues.list()


def test_the_async_client_does_the_same(mood: Serving) -> None:
    async def submit() -> None:
        async with AsyncStanine(mood.url, ADMIN) as client:
            assert [each.name async for each in client.instruments.list()] == ["a-mood"]
            receipts = await asyncio.gather(
                *(client.attempts.submit("a-mood", ANSWERS, key=f"s{n}") for n in range(20))
            )
            assert len({each.attempt for each in receipts}) == 20

            async def lines() -> Any:
                for number in range(1_100):
                    yield AttemptRequest({"i1": number % 5 + 1}, f"k{number}")

            answers = [each async for each in client.attempts.submit_many("a-mood", lines())]
            assert [each.line for each in answers] == list(range(1, 1_101))
            for start in range(0, len(answers), 100):
                await asyncio.to_thread(
                    mood.score,
                    *({"attempt": each.attempt} for each in answers[start : start + 100]),
                )
            waited = [
                each async for each in client.attempts.wait_for("a-mood", answers, timeout=30)
            ]
            assert len(waited) == 1_100
            pages = [
                len(page) async for page in client.results.list("a-mood", page_size=600).pages()
            ]
            assert pages == [600, 500]
            with pytest.raises(errors.NotScoredError):
                await client.results.wait_for(receipts[0].attempt, timeout=0.1)
            with pytest.raises(errors.NotFoundError):
                await client.attempts.get("0" * 32)

    asyncio.run(submit())


def test_attempts_are_listed_over_pages_with_their_parts(client: Stanine, mood: Serving) -> None:
    receipts = [client.attempts.submit("a-mood", ANSWERS, participant=f"p-{n}") for n in range(5)]
    mood.score({"attempt": receipts[1].attempt})
    listed = client.attempts.list("a-mood", page_size=2, include=["answers", "labels", "results"])
    found = list(listed)
    assert [each.attempt for each in found] == [each.attempt for each in receipts]
    assert found[0].answers == ANSWERS
    assert found[0].labels is not None
    assert found[0].labels.answers["i1"] == "L2"
    assert found[1].scales is not None
    assert found[1].scales["mood"].raw == 3
    assert "answers" not in repr(found[0])
    later = client.attempts.submit("a-mood", ANSWERS)
    assert [each.attempt for each in listed] == [later.attempt]
    scored = client.attempts.list("a-mood", state="Scored", since="2026-01-01")
    assert [each.attempt for each in scored] == [receipts[1].attempt]

    async def read() -> list[str]:
        async with AsyncStanine(mood.url, ADMIN) as other:
            return [each.attempt async for each in other.attempts.list("a-mood", page_size=3)]

    assert asyncio.run(read()) == [each.attempt for each in (*receipts, later)]


def test_a_list_of_attempts_goes_on_after_a_changed_history_without_repeats(
    client: Stanine, mood: Serving
) -> None:
    kept = [client.attempts.submit("a-mood", ANSWERS).attempt for _ in range(3)]
    put_back = backup(mood)
    listed = client.attempts.list("a-mood", on_history_change="continue")
    lost = [client.attempts.submit("a-mood", ANSWERS).attempt for _ in range(2)]
    assert [each.attempt for each in listed] == kept + lost
    put_back()
    later = [client.attempts.submit("a-mood", ANSWERS).attempt for _ in range(4)]
    with pytest.raises(errors.HistoryChangedError):
        client.attempts.list("a-mood", after=listed.cursor).read()
    assert [each.attempt for each in listed] == later
