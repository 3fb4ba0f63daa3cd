"""What an Instrument does to its instrument, turn by turn, on a real server. What the indexWatcher does is done by calls."""

import secrets
from typing import Any

import pytest
from tests.integration.api.serving import document
from tests.integration.operator.contexts import Land, ready, said

from stanine.broker import QueueState
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import BUILD_INDEX, Outbox, split_names
from stanine.store import load_library
from stanine.store.attempts import Submission, read_submitted, submit_call
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory, publish_call, read_published
from stanine.store.records import RANDOM_BYTES
from stanine_operator.controller.resource import Resource
from stanine_operator.redis_servers.connections import Server

NAME = "a-mood"


def spec_of(**options: Any) -> dict[str, Any]:
    spec: dict[str, Any] = document(NAME, **options)["spec"]
    return spec


def instrument(
    land: Land,
    *,
    deletion: str = "Retain",
    namespace: str = "ns",
    created: str = "2026-11-01T00:00:00Z",
    **options: Any,
) -> Resource:
    more: dict[str, Any] = {"redisConfigRef": {"name": "default"}, "deletionPolicy": deletion}
    return land.put(
        "Instrument", NAME, namespace=namespace, created=created, **spec_of(**options), **more
    )


def server_of(land: Land) -> Server:
    config = land.resource_cache.redis_config("ns", "default")
    assert config is not None
    return land.connections.open(config)


def index(land: Land) -> None:
    """Do what the indexWatcher does with the messages there are."""
    server = server_of(land)
    rows: Any = server.client.xrange(server.broker.ready_key(BUILD_INDEX.queue))
    history = InstrumentHistory(server.client, server.keys)
    builder = IndexBuilder(
        history, Index(server.client, load_library(), server.keys), ENGINE_VERSION
    )
    builder.build(split_names(b"".join(fields[b"i"] for _, fields in rows)))


def stored(land: Land) -> dict[bytes, bytes]:
    server = server_of(land)
    found: Any = server.client.hgetall(server.keys.instrument(NAME))
    return dict(found)


def answer(land: Land) -> str:
    """Submit an attempt as the API does; return what became of it."""
    server = server_of(land)
    one = Submission(1, 1, bytes(3), secrets.token_bytes(16), secrets.token_bytes(RANDOM_BYTES))
    keys, args = submit_call(server.keys, _outbox(server), [one], b"", 64)
    (submitted,) = read_submitted([one], load_library().call(server.client, "submit", keys, args))
    return submitted.outcome


def put(land: Land, title: str) -> Any:
    """Publish as the API does."""
    server = server_of(land)
    keys, args = publish_call(server.keys, _outbox(server), NAME, (title.encode(), title, "form"))
    return read_published(NAME, title, load_library().call(server.client, "publish", keys, args))


def _outbox(server: Server) -> Outbox:

    return Outbox(
        server.broker.ready_key(BUILD_INDEX.queue),
        server.broker.head(BUILD_INDEX.queue, BUILD_INDEX.actor),
    )


def test_an_applied_instrument_is_published_and_ready_once_indexed(land: Land) -> None:
    resource = instrument(land)
    outcome = land.reconcile(resource)
    assert (ready(outcome), said(outcome, "Published")[0], outcome.settled) == (
        (False, "Indexing"),
        True,
        False,
    )
    assert [event.reason for event in outcome.events] == ["RevisionPublished"]
    index(land)
    outcome = land.reconcile(resource)
    assert (ready(outcome), said(outcome, "Indexed")[0], outcome.settled, outcome.events) == (
        (True, "Indexed"),
        True,
        True,
        (),
    )
    digest = stored(land)[b"digest"].decode()
    assert outcome.fields == {
        "revision": 1,
        "indexedRevision": 1,
        "items": 3,
        "scales": 1,
        "digest": digest,
    }
    assert b"redisConfigRef" not in stored(land)[b"doc:1"]


def test_an_unchanged_document_causes_no_revision_and_no_message(land: Land) -> None:
    resource = instrument(land)
    for _ in range(3):
        land.reconcile(resource)
    land.reconcile(instrument(land, deletion="Delete"))  # not the document's own
    server = server_of(land)
    assert stored(land)[b"revision"] == b"1"
    assert server.client.xlen(server.broker.ready_key(BUILD_INDEX.queue)) == 1


def test_a_changed_document_becomes_the_next_revision_and_the_earlier_one_stays_in_use(
    land: Land,
) -> None:
    land.reconcile(instrument(land))
    index(land)
    resource = instrument(land, title="Another")
    outcome = land.reconcile(resource)
    assert (outcome.fields["revision"], outcome.fields["indexedRevision"], ready(outcome)) == (
        2,
        1,
        (False, "Indexing"),
    )
    assert "revision 1 is used for scoring until then" in said(outcome, "Indexed")[2]
    index(land)
    assert ready(land.reconcile(resource)) == (True, "Indexed")
    reworded = land.reconcile(instrument(land, title="Another", form="today"))
    assert "indexedRevision" not in reworded.fields, "its form is new: nothing scores it yet"


def test_an_invalid_document_is_reported_and_the_published_one_is_kept(land: Land) -> None:
    land.reconcile(instrument(land))
    index(land)
    spec = spec_of()
    spec["scales"][0]["items"] = ["i1", "i9"]
    spec["items"][0]["responses"] = "six"
    resource = land.put("Instrument", NAME, **spec)
    outcome = land.reconcile(resource)
    published = said(outcome, "Published")
    assert published[:2] == (False, "InvalidDocument")
    assert "spec.scales[0].items[1]" in published[2]
    assert "spec.items[0].responses" in published[2]
    assert said(outcome, "Indexed") == (False, "NotPublished", "Revision 1 stays in use.")
    assert outcome.fields["revision"] == 1
    assert stored(land)[b"revision"] == b"1"
    assert ready(land.reconcile(instrument(land))) == (True, "Indexed")


def test_errors_beyond_the_message_limit_are_counted(land: Land) -> None:
    spec = spec_of()
    spec["scales"][0]["items"] = [f"x{number}_{'y' * 50}" for number in range(300)]
    outcome = land.reconcile(land.put("Instrument", NAME, **spec))
    message = said(outcome, "Published")[2]
    assert len(message.splitlines()) == 21
    assert message.splitlines()[-1].startswith("and ")
    assert len(message.encode()) <= 32_768
    assert not stored(land)


def test_a_name_that_is_not_a_label_is_an_error_of_the_document(land: Land) -> None:
    outcome = land.reconcile(land.put("Instrument", "a.mood", **spec_of()))
    assert ready(outcome) == (False, "InvalidDocument")
    assert "metadata.name" in said(outcome, "Published")[2]


def test_an_owned_instrument_cannot_be_published_by_others(
    land: Land,
) -> None:
    put(land, "from the API")
    outcome = land.reconcile(instrument(land))
    assert outcome.fields["revision"] == 2
    with pytest.raises(Exception, match="Instrument ns/a-mood"):
        put(land, "again")
    server = server_of(land)
    server.client.hset(
        server.keys.instrument(NAME), "managedUntil", 1
    )  # the operator was away for more than three minutes
    put(land, "again")
    assert land.reconcile(instrument(land)).fields["revision"] == 4


def test_nothing_is_published_while_the_index_queue_is_draining(land: Land) -> None:
    server = server_of(land)
    server.broker.set_state(BUILD_INDEX.queue, QueueState.DRAINING)
    resource = instrument(land)
    outcome = land.reconcile(resource)
    assert (ready(outcome), outcome.settled) == ((False, "QueueDraining"), False)
    assert not stored(land)
    server.broker.resume(BUILD_INDEX.queue)
    assert said(land.reconcile(resource), "Published")[0] is True


def test_of_two_resources_with_one_name_the_older_owns_it_also_across_namespaces(
    land: Land,
) -> None:
    land.put(
        "RedisConfig",
        "default",
        namespace="other",
        connection={"host": "127.0.0.1", "port": land.port},
    )
    younger = instrument(land, namespace="other", created="2026-11-05T00:00:00Z", title="Younger")
    older = instrument(land, title="Older")
    for _ in range(2):
        outcome = land.reconcile(younger)
        assert (ready(outcome), outcome.fields) == ((False, "ResourceConflict"), {})
        assert land.reconcile(older).fields["revision"] == 1
    land.drop(older)
    assert land.reconcile(younger).fields["revision"] == 2
    assert b"Younger" in stored(land)[b"doc:2"]


def test_an_unanswered_instrument_is_deleted_and_recreated_as_the_next_revision(
    land: Land,
) -> None:
    resource = instrument(land, deletion="Delete")
    land.reconcile(resource)
    index(land)
    released = land.delete(resource)
    assert (released.done, [event.reason for event in released.events]) == (
        True,
        ["InstrumentDeleted"],
    )
    assert stored(land) == {b"revision": b"1"}
    index(land)  # the message is still there
    server = server_of(land)
    assert server.client.hlen(server.keys.index) == 0
    assert answer(land) == "gone"
    again = instrument(land, deletion="Delete")
    assert (again.uid != resource.uid, land.reconcile(again).fields["revision"]) == (True, 2)
    assert land.delete(again).done
    assert land.delete(instrument(land, deletion="Delete")).events == (), (
        "never published: nothing to say"
    )


def test_an_answered_instrument_is_kept_with_a_warning(land: Land) -> None:
    resource = instrument(land, deletion="Delete")
    land.reconcile(resource)
    assert answer(land) == "new"
    released = land.delete(resource)
    assert released.done
    assert [(event.warning, event.reason) for event in released.events] == [(True, "HasAttempts")]
    assert stored(land)[b"revision"] == b"1"
    put(land, "others may again")


@pytest.mark.parametrize("loser", [False, True])
def test_a_conflicting_younger_resource_removes_nothing(land: Land, *, loser: bool) -> None:
    land.put(
        "RedisConfig",
        "default",
        namespace="other",
        connection={"host": "127.0.0.1", "port": land.port},
    )
    older, younger = (
        instrument(land),
        instrument(land, namespace="other", created="2026-11-05T00:00:00Z", deletion="Delete"),
    )
    land.reconcile(older)
    if loser:
        land.reconcile(younger)
    assert [event.reason for event in land.delete(younger).events] == ["ResourceConflict"]
    assert stored(land)[b"revision"] == b"1"
