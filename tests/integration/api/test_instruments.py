import concurrent.futures
import json
import threading
import time
from pathlib import Path

import msgspec
import pytest
from tests.integration.api.serving import NARROW, Serving, document, problem

from stanine.broker.connection.ownership import Owner
from stanine.domain.instruments.document import canonical
from stanine.messages import BUILD_INDEX, Outbox
from stanine.store import load_library
from stanine.store.managed import ManagedInstruments, Removal

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "instruments").glob("*.yaml"))
YAML = {"content-type": "application/yaml"}


def test_a_document_is_read_as_it_was_published(api: Serving) -> None:
    put = api.publish(document())
    assert put.status_code == 201
    assert put.json() == {
        "name": "a-mood",
        "revision": 1,
        "form": 1,
        "digest": put.json()["digest"],
        "changed": True,
        "indexed": False,
        "warnings": [],
        "warningCount": 0,
    }
    read = api.http().get("/v1/instruments/a-mood")
    assert read.json() == json.loads(canonical(document()))
    assert read.headers["etag"] == put.headers["etag"] == f'"{put.json()["digest"]}"'
    assert (
        api.http()
        .get("/v1/instruments/a-mood", headers={"if-none-match": read.headers["etag"]})
        .status_code
        == 304
    )


def test_an_unchanged_document_has_no_effect_and_a_changed_one_is_the_next_revision(
    mood: Serving,
) -> None:
    again = mood.publish(document())
    assert (again.status_code, again.json()["revision"], again.json()["changed"]) == (200, 1, False)
    scoring = mood.publish(document(reverse=True)).json()
    assert (scoring["revision"], scoring["form"]) == (2, 1)
    form = mood.publish(document(form="today")).json()
    assert (form["revision"], form["form"]) == (3, 3)
    first = mood.http().get("/v1/instruments/a-mood?revision=1")
    assert first.json() == json.loads(canonical(document()))
    assert first.headers["stanine-revision"] == "1"
    problem(mood.http().get("/v1/instruments/a-mood?revision=9"), "not-found")


@pytest.mark.parametrize("name", ["Mood", "a_mood", "-mood", "a" * 64, "%00"])
def test_a_name_that_no_instrument_can_have_is_explained(mood: Serving, name: str) -> None:
    answer = mood.http().put(f"/v1/instruments/{name}", json=document())
    problem(answer, "not-found")
    assert "lower-case letters, digits and hyphens" in answer.json()["detail"]
    problem(mood.http().get(f"/v1/instruments/{name}"), "not-found")


def test_a_publication_can_require_the_current_state(mood: Serving) -> None:
    etag = mood.http().get("/v1/instruments/a-mood").headers["etag"]
    put = mood.http().put
    problem(
        put("/v1/instruments/a-mood", json=document(title="X"), headers={"if-none-match": "*"}),
        "precondition-failed",
    )
    problem(
        put("/v1/instruments/a-mood", json=document(title="X"), headers={"if-match": '"other"'}),
        "precondition-failed",
    )
    assert (
        put(
            "/v1/instruments/a-mood", json=document(title="X"), headers={"if-match": etag}
        ).status_code
        == 200
    )
    problem(
        put("/v1/instruments/a-mood", json=document(title="Y"), headers={"if-match": etag}),
        "precondition-failed",
    )
    assert (
        put(
            "/v1/instruments/a-mood", json=document(title="Y"), headers={"if-match": "*"}
        ).status_code
        == 200
    )
    problem(
        put("/v1/instruments/new", json=document("new"), headers={"if-match": "*"}),
        "precondition-failed",
    )
    assert (
        put("/v1/instruments/new", json=document("new"), headers={"if-none-match": "*"}).status_code
        == 201
    )
    problem(
        put("/v1/instruments/new", json=document("new"), headers={"if-match": "bare"}),
        "malformed-request",
    )
    problem(
        put("/v1/instruments/new", json=document("new"), headers={"if-none-match": '"x"'}),
        "malformed-request",
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_published(api: Serving, path: Path) -> None:
    answer = api.http().put(f"/v1/instruments/{path.stem}", content=path.read_bytes(), headers=YAML)
    assert answer.status_code == 201, answer.text
    api.build(path.stem)
    assert (
        api.http()
        .put(f"/v1/instruments/{path.stem}?wait=10", content=path.read_bytes(), headers=YAML)
        .json()["indexed"]
    )


def test_a_publication_can_wait_until_it_is_indexed(api: Serving) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.http().put, "/v1/instruments/a-mood?wait=10", json=document())
        while not api.redis.exists(api.keys.instrument("a-mood")):
            time.sleep(0.005)
        time.sleep(0.1)
        assert not waiting.done()
        api.build("a-mood")
        assert waiting.result(5).json()["indexed"]
    api.submit(answers={"i1": 1})


def test_a_changed_index_entry_is_served_without_a_restart(mood: Serving) -> None:
    mood.publish(document(title="Another"), build=False)
    mood.build("a-mood")
    began = time.monotonic()
    while mood.http().get("/v1/instruments/a-mood/form").json()["title"] != "Another":
        assert time.monotonic() - began < 30
        time.sleep(0.02)


def test_the_form_shows_a_participant_no_scales_or_keys(mood: Serving) -> None:
    form = mood.http().get("/v1/instruments/a-mood/form").json()
    assert [item["id"] for item in form["items"]] == ["i1", "i2", "i3"]
    assert form["items"][0]["options"][0] == {"value": 1, "label": "L1"}
    problem(mood.http().get("/v1/instruments/a-mood/form?revision=2"), "not-found")
    assert "scales" not in form
    assert "mood" not in msgspec.json.encode({**form, "name": ""}).decode()


def test_the_list_of_instruments_is_paged_by_name(api: Serving) -> None:
    names = [f"a-{number:02}" for number in range(7)] + ["b-1", "b-2"]
    for name in reversed(names):
        api.publish(document(name), build=False)
    seen: list[str] = []
    after, pages = None, 0
    while True:
        page = (
            api.http()
            .get("/v1/instruments", params={"limit": 3} | ({"after": after} if after else {}))
            .json()
        )
        seen += [item["name"] for item in page["items"]]
        after, pages = page["next"], pages + 1
        if after is None:
            break
    assert seen == names
    assert pages == 3
    narrow = api.http(NARROW).get("/v1/instruments?limit=1000").json()
    assert [item["name"] for item in narrow["items"]] == names[:7]


MANAGER = Owner("Instrument default/a-mood", "u1", "2026-11-23T00:00:00Z")


def managed(api: Serving) -> ManagedInstruments:
    outbox = Outbox(f"{api.keys.partition}:q:{BUILD_INDEX.queue}:ready", b"head")
    return ManagedInstruments(api.redis, load_library(), api.keys, outbox)


def test_a_managed_instrument_is_not_published_by_others(mood: Serving) -> None:
    managed(mood).hold("a-mood", MANAGER, takes=True)
    refused = mood.http().put("/v1/instruments/a-mood", json=document(title="Another"))
    problem(refused, "managed")
    assert "Instrument default/a-mood" in refused.json()["detail"]
    assert mood.publish(document()).json()["changed"] is False, "the same document changes nothing"


def test_an_attempt_of_a_removed_instrument_is_answered_like_one_of_an_unknown_instrument(
    mood: Serving,
) -> None:
    mood.http().get("/v1/instruments/a-mood/form")
    assert managed(mood).remove("a-mood", MANAGER) is Removal.REMOVED
    path = "/v1/instruments/a-mood/attempts"
    answer = mood.http().post(
        path, json={"answers": {"i1": 1}}
    )  # the process's cache still has its index entry
    bulk = mood.http().post(
        f"{path}:bulk",
        content=b'{"key":"k","answers":{"i1":1}}\n',
        headers={"content-type": "application/x-ndjson"},
    )
    problem(answer, "not-found")
    assert bulk.status_code == 404 or bulk.json()["problem"]["type"].endswith("not-found")
    assert mood.redis.get(mood.keys.arrivals) is None
    assert mood.publish(document()).json()["revision"] == 2


@pytest.mark.slow
def test_many_concurrent_large_documents_are_all_answered_in_bounded_memory(
    api: Serving,
) -> None:
    large = document("a-large")
    large["spec"]["items"] = [{"id": f"i{number}", "text": "x" * 340} for number in range(10_000)]
    text = json.dumps(large).encode()
    assert 3_500_000 < len(text) < 4_194_304
    client, probe, statuses = api.http(), api.http(None), list[int]()

    def publish(number: int) -> None:
        headers = {"content-type": "application/yaml" if number % 4 == 0 else "application/json"}
        statuses.append(
            client.put("/v1/instruments/a-large", content=text, headers=headers).status_code
        )

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    health = []
    while any(thread.is_alive() for thread in threads):
        health.append(probe.get("/healthz").status_code)
        time.sleep(0.1)
    assert set(health) == {200}
    assert len(statuses) == 60
    assert set(statuses) <= {422, 503}
