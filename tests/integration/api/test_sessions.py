"""Sessions over HTTP: opened once, saved in order, checked like whole attempts, submitted once."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import Server
from tests.integration.api.filling import NAME, Person, day, invite, open_session, start
from tests.integration.api.serving import Serving, only, problem, write_keys

from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.sessions import session_id

WHOLE = {"calm": 4, "drink": 0}


@pytest.fixture(scope="module")
def api(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    serving = Serving(valkey.url, f"api-sessions-{time.monotonic_ns()}", path)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def places(answer: Any, code: str = "invalid-attempt") -> list[tuple[str, str]]:
    return [(each["pointer"], each["code"]) for each in problem(answer, code)["errors"]]


def test_a_session_is_filled_in_over_time_and_becomes_an_attempt(api: Serving) -> None:
    person = open_session(
        api, participant="p-1", attributes={"sex": "female"}, key="row-1", show="Participant"
    )
    assert person.opened["state"] == "Open"
    assert [item["id"] for item in person.opened["form"]["items"]] == [
        "calm",
        "drink",
        "much",
        "which",
        "note",
    ]
    assert "scales" not in person.opened["form"]
    assert person.save(1, {"calm": 2, "note": "hello"}, page=1).json() == {
        "session": person.id,
        "seq": 1,
    }
    assert (
        person.save(
            2, {"calm": 4.0, "drink": 0, "note": None}, page=2, attributes={"years": 31}
        ).status_code
        == 200
    )
    found = person.read()
    assert (found["answers"], found["seq"], found["page"]) == ({"calm": 4, "drink": 0}, 2, 2)
    assert found["attributes"] == {"sex": "female", "years": 31}
    done = person.submit()
    assert done.status_code == 202
    attempt = api.http().get(f"/v1/attempts/{done.json()['attempt']}").json()
    assert attempt["answers"] == {"calm": 4, "drink": 0, "much": None, "which": None, "note": None}
    assert (attempt["key"], attempt["participant"], attempt["attributes"]) == (
        "row-1",
        "p-1",
        {"sex": "female", "years": 31},
    )
    again = person.submit()
    assert again.json() == done.json() | {"repeated": True}
    api.score(done.json())
    result = api.http(done.json()["attemptToken"]).get(
        f"/v1/attempts/{done.json()['attempt']}/result"
    )
    assert result.json()["scales"]["calmness"]["raw"] == 4
    assert person.submit(wait=5).json()["result"]["state"] == "Scored"
    assert person.read() | {"answers": {}} == person.read(), "the answers are the attempt's now"


def test_a_repeated_save_is_recognised_and_an_older_one_gets_the_saved_answers(
    api: Serving,
) -> None:
    person = open_session(api)
    assert person.save(5, {"calm": 1}).status_code == 200
    assert person.save(5, {"calm": 1}).json()["repeated"] is True
    for seq, answers in ((5, {"calm": 2}), (4, {"drink": 1})):
        answer = problem(person.save(seq, answers), "session-conflict")
        assert answer["session"] == {"seq": 5, "page": 0, "answers": {"calm": 1}, "attributes": {}}


def commands_about(api: Serving, person: Person, work: Callable[[], None]) -> list[str]:
    """Return the saves and the commands on the session's key, as the server receives them during `work`."""
    end, found = secrets.token_hex(8), list[str]()
    redis: Any = api.redis
    with redis.monitor() as monitor:
        work()
        redis.echo(end)
        for each in monitor.listen():
            words = each["command"].split(" ")
            if end in words:
                return found
            is_save = words[0] == "FCALL" and words[1].startswith("save_session")
            if each["client_type"] != "lua" and (is_save or person.id in each["command"]):
                found.append("save" if is_save else words[0])
    raise AssertionError("the server ended")


def test_a_save_is_one_command_to_the_server_and_touches_no_queue(api: Serving) -> None:
    """Also one whose items depend on others, once this process knows the session's answers."""
    person = open_session(api)
    redis: Any = api.redis
    ready = f"{api.keys.partition}:q:results:ready"
    queued = redis.xlen(ready)
    saves: list[dict[str, Any]] = [
        {"answers": {"calm": 2}},
        {"answers": {"drink": 1, "note": "x"}},
        {"answers": {"much": 3}},
        {"answers": {"much": 4, "calm": None}, "attributes": {"sex": "female"}},
        {"answers": {"drink": 0}},
        {"answers": {"much": None}},
    ]
    assert person.save(1, {"calm": 1}).status_code == 200

    def save_all() -> None:
        for seq, sent in enumerate(saves, 2):
            assert person.save(seq, **sent).status_code == 200

    assert commands_about(api, person, save_all) == ["save"] * len(saves)
    assert redis.xlen(ready) == queued
    assert person.read()["answers"] == {"drink": 0, "note": "x"}


def test_a_save_is_checked_with_the_answers_that_another_process_saved(
    valkey: Server, api: Serving, tmp_path: Path
) -> None:
    write_keys(tmp_path / "keys.json")
    namespace = api.keys.partition.removesuffix(":{p0}")
    other = Serving(valkey.url, namespace, tmp_path / "keys.json")
    try:
        other.until_ready()
        opened = api.http().post(f"/v1/instruments/{NAME}/sessions", json={})
        here, there = Person(api, opened), Person(other, opened)
        assert here.save(1, {"drink": 0}).status_code == 200
        assert there.save(2, {"drink": 1}).status_code == 200
        assert here.save(3, {"much": 3}).status_code == 200, "what this process knew is outdated"
        assert there.save(4, {"drink": 0}).status_code == 200
        answers: list[httpx.Response] = []
        commands = commands_about(api, here, lambda: answers.append(here.save(5, {"much": 4})))
        assert (places(answers[0]), commands) == ([("/answers/much", "NotShown")], ["save"])
        read = here.read()
        assert (read["seq"], read["answers"]) == (4, {"drink": 0, "much": 3})
        assert here.save(5, {"drink": 1}).status_code == 200
        assert here.save(6, {"much": 4}).status_code == 200
    finally:
        other.stop()


def test_two_devices_merge_their_answers(api: Serving) -> None:
    one = open_session(api, key="devices")
    other = open_session(api, key="devices")
    assert (other.id, other.opened["repeated"]) == (one.id, True)
    assert one.save(1, {"calm": 1}).status_code == 200
    answer = problem(other.save(1, {"drink": 0}), "session-conflict")["session"]
    assert other.save(answer["seq"] + 1, {"drink": 0}).status_code == 200
    assert one.read()["answers"] == {"calm": 1, "drink": 0}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"answers": {"calm": 6}}, [("/answers/calm", "NotAnAnswer")]),
        ({"answers": {"calm": True}}, [("/answers/calm", "WrongType")]),
        (
            {"answers": {"which": ["a", "a"], "nobody": 1}},
            [("/answers/nobody", "UnknownItem"), ("/answers/which", "NotAnAnswer")],
        ),
        ({"answers": {"nobody": None}}, [("/answers/nobody", "UnknownItem")]),
        ({"answers": {"drink": 0, "much": 3}}, [("/answers/much", "NotShown")]),
        ({"attributes": {"sex": "none"}}, [("/attributes/sex", "NotAValue")]),
        ({"attributes": {"shoe": 1}}, [("/attributes/shoe", "UnknownAttribute")]),
        ({"attributes": {"years": 3}}, [("/attributes/years", "Contradiction")]),
        ({"seq": 0}, [("/seq", "OutOfRange")]),
        ({"seq": None}, [("/seq", "WrongType")]),
        ({"more": 1}, [("/more", "UnknownField")]),
    ],
)
def test_a_save_is_checked_like_an_attempt_and_an_invalid_one_stores_nothing(
    api: Serving, sent: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    person = open_session(api, attributes={"years": 2})
    answer = api.http(person.token).patch(f"/v1/sessions/{person.id}", json={"seq": 1} | sent)
    assert sorted(places(answer)) == expected
    assert person.read()["seq"] == 0


def test_a_repeated_name_is_rejected(api: Serving) -> None:
    person = open_session(api)
    text = b'{"seq": 1, "answers": {"calm": 1, "calm": 2}}'
    answer = api.http(person.token).patch(
        f"/v1/sessions/{person.id}", content=text, headers={"content-type": "application/json"}
    )
    assert places(answer) == [("/answers/calm", "DuplicateKey")]


def test_a_hidden_answer_is_kept_and_not_submitted(api: Serving) -> None:
    person = open_session(api)
    assert person.save(1, {"calm": 3, "drink": 1, "much": 5}).status_code == 200
    assert person.save(2, {"drink": 0}).status_code == 200
    assert person.read()["answers"]["much"] == 5
    attempt = person.submit().json()["attempt"]
    assert api.http().get(f"/v1/attempts/{attempt}").json()["answers"]["much"] is None


def test_submitting_names_each_required_item_that_is_missing(api: Serving) -> None:
    person = open_session(api)
    assert places(person.submit()) == [
        ("/answers/calm", "MissingField"),
        ("/answers/drink", "MissingField"),
    ]
    person.save(1, {"drink": 1})
    assert places(person.submit()) == [
        ("/answers/calm", "MissingField"),
        ("/answers/much", "MissingField"),
    ]
    person.save(2, {"calm": 1, "much": 1})
    assert person.submit().status_code == 202


def test_a_withdrawn_session_has_no_answers_and_accepts_none(api: Serving) -> None:
    person = open_session(api)
    person.save(1, {"note": "canary-withdrawn"})
    assert person.withdraw().json() == {"session": person.id, "state": "Withdrawn"}
    assert person.withdraw().status_code == 200
    assert person.read()["answers"] == {}
    for answer in (person.save(2, {"calm": 1}), person.submit()):
        assert problem(answer, "session-closed")["reason"] == "Withdrawn"


def test_a_session_is_opened_once_per_key_and_other_content_is_rejected(api: Serving) -> None:
    first = open_session(api, key="once", participant="p-2")
    assert open_session(api, key="once", participant="p-2").id == first.id
    problem(
        api.http().post(
            f"/v1/instruments/{NAME}/sessions", json={"key": "once", "participant": "p-3"}
        ),
        "key-conflict",
    )
    other = Person(
        api,
        api.http(only("sessions:write")).post(
            f"/v1/instruments/{NAME}/sessions", json={"key": "once"}
        ),
    )
    assert other.id != first.id, "another key space"
    header = {"idempotency-key": '"once"'}
    assert (
        api.http()
        .post(f"/v1/instruments/{NAME}/sessions", json={"participant": "p-2"}, headers=header)
        .json()["session"]
        == first.id
    )


def test_a_session_whose_key_was_used_by_an_attempt_is_a_conflict(api: Serving) -> None:
    api.submit(NAME, key="taken", answers=WHOLE)
    person = open_session(api, key="taken")
    person.save(1, {"calm": 1, "drink": 0})
    problem(person.submit(), "key-conflict")
    same = open_session(api, key="taken-alike")
    there = api.submit(NAME, key="taken-alike", answers=WHOLE)
    same.save(1, WHOLE)
    assert same.submit().json()["attempt"] == there["attempt"], (
        "the same content is the same attempt"
    )


def test_a_session_keeps_its_revision(api: Serving) -> None:
    api.publish(day("a-pinned"))
    person = open_session(api, "a-pinned")
    changed = day("a-pinned")
    changed["spec"]["items"][0]["responses"] = None
    changed["spec"]["items"][0] = {
        "id": "calm",
        "text": "Calm?",
        "options": [{"value": 7}, {"value": 8}],
    }
    api.publish(changed)
    assert person.save(1, WHOLE).status_code == 200
    assert person.submit().status_code == 202
    assert person.read()["revision"] == 1
    assert open_session(api, "a-pinned").save(1, {"calm": 7}).status_code == 200


def test_the_form_is_in_the_language_of_the_session(api: Serving) -> None:
    person = open_session(api, language="de-AT")
    assert (person.opened["language"], person.opened["form"]["title"]) == ("de", "Ein Tag")
    assert (
        api.http(person.token).get(f"/v1/sessions/{person.id}/form").json()["items"][0]["text"]
        == "Ruhig?"
    )
    assert open_session(api, language="fr").opened["form"]["title"] == "A day"


def sweep(api: Serving, seconds: float, until: Any) -> None:
    """Wait until the loop has had an effect."""
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


def test_saved_answers_are_submitted_once_at_the_deadline(api: Serving) -> None:
    person = open_session(api, timeLimitSeconds=1)
    empty = open_session(api, timeLimitSeconds=1)
    assert person.save(1, {"drink": 1}).status_code == 200, (
        "a required item is missing: that counts for a person only"
    )
    assert person.opened["deadlineAt"] > person.opened["readAt"] >= person.opened["openedAt"]
    sweep(api, 40, lambda: person.read()["state"] == "Submitted")
    attempt = person.read()["attempt"]
    assert api.http().get(f"/v1/attempts/{attempt}").json()["answers"]["drink"] == 1
    assert person.submit().json()["attempt"] == attempt
    assert problem(person.save(2, {"calm": 1}), "session-closed")["reason"] == "Submitted"
    sweep(api, 40, lambda: api.http(empty.token).get(f"/v1/sessions/{empty.id}").status_code == 404)


def test_an_extension_counts_from_the_opening_and_can_be_repeated(api: Serving) -> None:
    person = open_session(api, timeLimitSeconds=100)
    extended = [
        api.http().post(f"/v1/sessions/{person.id}:extend", json={"timeLimitSeconds": 150}).json()
        for _ in range(2)
    ]
    assert extended[0] == extended[1]
    assert person.read()["deadlineAt"] == extended[0]["deadlineAt"] > person.opened["deadlineAt"]
    less = api.http().post(f"/v1/sessions/{person.id}:extend", json={"timeLimitSeconds": 1}).json()
    assert less == extended[0]
    problem(
        api.http().post(
            f"/v1/sessions/{open_session(api).id}:extend", json={"timeLimitSeconds": 1}
        ),
        "session-closed",
    )


def in_sections(name: str, seconds: int) -> dict[str, Any]:
    """The instrument of a day in two sections, the first with a time limit."""
    sections = [
        {"id": "first", "items": ["calm", "drink", "much"], "timeLimitSeconds": seconds},
        {"id": "rest", "items": ["which", "note"]},
    ]
    return day(name, sections=sections)


def test_a_section_takes_no_answers_after_its_time_and_is_not_required(api: Serving) -> None:
    api.publish(in_sections("a-timed", 1))
    person = open_session(api, "a-timed")
    assert "sectionDeadlines" not in person.opened
    api.redis.hset(api.keys.session(bytes.fromhex(person.id)), "grace", "0")
    assert person.save(1, page=1, section="first").status_code == 200
    begun = person.read()
    assert begun["sectionDeadlines"].keys() == {"first"}
    assert begun["sectionDeadlines"]["first"] > begun["openedAt"]
    sweep(api, 40, lambda: person.read()["readAt"] > begun["sectionDeadlines"]["first"])
    late = person.save(2, {"calm": 4, "note": "x", "drink": None})
    assert places(late) == [("/answers/calm", "SectionOver"), ("/answers/drink", "SectionOver")]
    assert person.save(2, {"note": "x"}, section="first").status_code == 200
    assert person.read()["sectionDeadlines"] == begun["sectionDeadlines"], "opened twice"
    done = person.submit()
    assert done.status_code == 202, "the required items of the section can no longer be answered"


def test_the_time_of_a_section_begins_with_an_answer_if_nobody_opened_it(api: Serving) -> None:
    api.publish(in_sections("a-timed-2", 600))
    person = open_session(api, "a-timed-2")
    assert person.save(1, {"note": "x"}, section="rest").status_code == 200
    assert "sectionDeadlines" not in person.read(), "it has no time limit"
    assert person.save(2, {"calm": 4}).status_code == 200
    assert person.read()["sectionDeadlines"].keys() == {"first"}
    assert places(person.save(3, section="nowhere")) == [("/section", "UnknownReference")]


def test_a_participant_changes_the_language_of_a_session(api: Serving) -> None:
    person = open_session(api, language="en", key="two languages")
    assert person.save(1, {"calm": 4}, language="de-AT").status_code == 200
    found = person.read()
    assert (found["language"], found["answers"]) == ("de", {"calm": 4})
    form = api.http(person.token).get(f"/v1/sessions/{person.id}/form").json()
    assert form["title"] == "Ein Tag"
    again = open_session(api, language="en", key="two languages")
    assert (again.id, again.opened["language"]) == (person.id, "de"), "no conflict of the key"
    assert places(person.save(2, language="not a tag")) == [("/language", "WrongText")]


def test_a_session_with_an_unindexed_form_does_not_block_others(api: Serving) -> None:
    api.publish(day("a-lost"))
    lost = open_session(api, "a-lost", timeLimitSeconds=1)
    lost.save(1, {"drink": 1})
    api.redis.hset(api.keys.session(bytes.fromhex(lost.id)), "revision", "77")
    broken = open_session(api, timeLimitSeconds=1)
    broken.save(1, {"drink": 1})
    api.redis.hset(api.keys.session(bytes.fromhex(broken.id)), "Acalm", b"\xff no json")
    person = open_session(api, timeLimitSeconds=1)
    person.save(1, {"drink": 0})
    sweep(api, 40, lambda: person.read()["state"] == "Submitted")
    assert api.redis.hget(api.keys.session(bytes.fromhex(lost.id)), "state") == b"Open"
    metrics = api.http().get("/metrics").text
    assert 'stanine_sessions_total{event="swept"}' in metrics


def test_a_code_opens_the_same_session_on_every_device(api: Serving) -> None:
    invited = invite(
        api,
        participant="p-9",
        attributes={"years": 40},
        language="de",
        key="inv-1",
        timeLimitSeconds=600,
    )
    code = invited["code"]
    assert len(code) == 22
    assert code.isalnum()
    person = Person(api, start(api, code))
    assert (person.opened["attributes"], person.opened["form"]["title"]) == (
        {"years": 40},
        "Ein Tag",
    )
    assert person.save(1, WHOLE).status_code == 200
    again = Person(api, start(api, code))
    assert (again.id, again.opened["answers"], again.opened["repeated"]) == (person.id, WHOLE, True)
    attempt = again.submit().json()["attempt"]
    read = api.http().get(f"/v1/attempts/{attempt}").json()
    assert (read["key"], read["participant"]) == ("inv-1", "p-9")
    assert Person(api, start(api, code)).opened["state"] == "Submitted"


def test_a_code_of_several_uses_opens_as_many_sessions(api: Serving) -> None:
    code = invite(api, maxUses=2)["code"]
    header = {"idempotency-key": "device-1"}
    first = api.http(code).post(f"/v1/instruments/{NAME}/sessions", headers=header, json={})
    assert (
        api.http(code)
        .post(f"/v1/instruments/{NAME}/sessions", headers=header, json={})
        .json()["session"]
        == first.json()["session"]
    )
    assert start(api, code).json()["session"] != first.json()["session"]
    assert problem(start(api, code), "invitation-ended")["reason"] == "Used"


def test_a_sessions_id_does_not_tell_the_key_that_it_was_opened_with(api: Serving) -> None:
    """The id remains after an erasure, and the invitation's id is known: the key could be guessed."""
    invited = invite(api, maxUses=2)
    header = {"idempotency-key": "device-1"}
    opened = api.http(invited["code"]).post(
        f"/v1/instruments/{NAME}/sessions", headers=header, json={}
    )
    text = bytes.fromhex(invited["invitation"]) + b"device-1"
    for person in (b"", b"stanine-use", b"stanine-name"):
        digest = hashlib.blake2b(text, digest_size=RANDOM_BYTES, person=person).digest()
        assert opened.json()["session"] != session_id(id_random(digest)).hex()


@pytest.mark.parametrize("show", ["None", "Participant", "AfterRelease"])
def test_a_participant_reads_the_result_if_the_invitation_allows_it(
    api: Serving, show: str
) -> None:
    name = f"a-{show.lower()}"
    api.publish(day(name))
    person = Person(api, start(api, invite(api, name, show=show)["code"], name))
    person.save(1, WHOLE)
    done = person.submit().json()
    api.score(done)
    address, token = f"/v1/attempts/{done['attempt']}/result", done.get("attemptToken")
    assert person.read().get("attemptToken") == token
    problem(api.http(person.token).get(address), "not-found")
    if show == "None":
        assert token is None
        assert "result" not in person.submit(wait=2).json()
        return
    assert api.http(token).get(address).status_code == (200 if show == "Participant" else 404)
    assert ("result" in person.submit(wait=2).json()) == (show == "Participant")
    if show == "AfterRelease":
        assert api.http().post(f"/v1/instruments/{name}:release").json()["released"] is True
        assert api.http(token).get(address).status_code == 200
        assert "result" in person.submit(wait=2).json()
        assert api.http().post(
            f"/v1/instruments/{name}:release", json={"released": False}
        ).json() == {
            "instrument": name,
            "released": False,
        }
        problem(api.http(token).get(address), "not-found")


def test_a_release_concerns_one_instrument_and_only_invitations_with_after_release(
    api: Serving,
) -> None:
    people: dict[tuple[str, str], dict[str, Any]] = {}
    for name in ("a-released", "a-held"):
        api.publish(day(name))
        for show in ("None", "Participant", "AfterRelease"):
            person = Person(api, start(api, invite(api, name, show=show)["code"], name))
            person.save(1, WHOLE)
            people[name, show] = person.submit().json()
    api.score(*people.values())

    def readable() -> set[tuple[str, str]]:
        """Return the people whose result and its scales their own token reads; a held token is tried everywhere."""
        found = set()
        for who, done in people.items():
            for token in {each.get("attemptToken") for each in people.values()} - {None}:
                answer = api.http(token).get(f"/v1/attempts/{done['attempt']}/result")
                scales = api.http(token).get(f"/v1/attempts/{done['attempt']}/result/scales")
                assert scales.status_code == answer.status_code
                if answer.status_code == 200:
                    assert token == done["attemptToken"]
                    found.add(who)
        return found

    participants = {("a-released", "Participant"), ("a-held", "Participant")}
    assert readable() == participants
    api.http().post("/v1/instruments/a-released:release")
    assert readable() == participants | {("a-released", "AfterRelease")}
    api.http().post("/v1/instruments/a-released:release", json={"released": False})
    assert readable() == participants


def test_rotating_tokens_keeps_links_valid(api: Serving) -> None:
    code = invite(api)["code"]
    assert api.http().post("/v1/tokens:rotate", json={"keepSeconds": 0}).status_code == 200
    assert start(api, code).status_code == 201
    kept = api.http().post("/v1/tokens:rotate", json={"keepLinksSeconds": 3600})
    assert "linksValidUntil" in kept.json()
    assert start(api, code).status_code == 200
    newer = invite(api)["code"]
    api.http().post("/v1/tokens:rotate", json={"keepLinksSeconds": 0})
    problem(start(api, newer), "not-found")
    assert start(api, code).status_code == 200, "its time is not over yet"
