"""Reconciliation of Instruments on a real server. The indexWatcher's work is done by calls."""

import secrets
from typing import Any

import pytest
from tests.integration.api.serving import document
from tests.integration.operator.contexts import Environment, ready, said

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
    environment: Environment,
    *,
    deletion: str = "Retain",
    namespace: str = "ns",
    created: str = "2026-11-01T00:00:00Z",
    **options: Any,
) -> Resource:
    more: dict[str, Any] = {"redisConfigRef": {"name": "default"}, "deletionPolicy": deletion}
    return environment.put(
        "Instrument", NAME, namespace=namespace, created=created, **spec_of(**options), **more
    )


def server_of(environment: Environment) -> Server:
    config = environment.resource_cache.redis_config("ns", "default")
    assert config is not None
    return environment.connections.open(config)


def index(environment: Environment) -> None:
    """Process the waiting messages as the indexWatcher does."""
    server = server_of(environment)
    rows: Any = server.client.xrange(server.broker.ready_key(BUILD_INDEX.queue))
    history = InstrumentHistory(server.client, server.keys)
    builder = IndexBuilder(
        history, Index(server.client, load_library(), server.keys), ENGINE_VERSION
    )
    builder.build(split_names(b"".join(fields[b"i"] for _, fields in rows)))


def stored(environment: Environment) -> dict[bytes, bytes]:
    server = server_of(environment)
    found: Any = server.client.hgetall(server.keys.instrument(NAME))
    return dict(found)


def answer(environment: Environment) -> str:
    """Submit an attempt as the API does; return the result."""
    server = server_of(environment)
    one = Submission(1, 1, bytes(3), secrets.token_bytes(16), secrets.token_bytes(RANDOM_BYTES))
    keys, args = submit_call(server.keys, _outbox(server), [one], b"", 64)
    (submitted,) = read_submitted([one], load_library().call(server.client, "submit", keys, args))
    return submitted.outcome


def put(environment: Environment, title: str) -> Any:
    """Publish as the API does."""
    server = server_of(environment)
    keys, args = publish_call(server.keys, _outbox(server), NAME, (title.encode(), title, "form"))
    return read_published(NAME, title, load_library().call(server.client, "publish", keys, args))


def _outbox(server: Server) -> Outbox:

    return Outbox(
        server.broker.ready_key(BUILD_INDEX.queue),
        server.broker.head(BUILD_INDEX.queue, BUILD_INDEX.actor),
    )


def test_an_applied_instrument_is_published_and_ready_once_indexed(
    environment: Environment,
) -> None:
    resource = instrument(environment)
    outcome = environment.reconcile(resource)
    assert (ready(outcome), said(outcome, "Published")[0], outcome.settled) == (
        (False, "Indexing"),
        True,
        False,
    )
    assert [event.reason for event in outcome.events] == ["RevisionPublished"]
    index(environment)
    outcome = environment.reconcile(resource)
    assert (ready(outcome), said(outcome, "Indexed")[0], outcome.settled, outcome.events) == (
        (True, "Indexed"),
        True,
        True,
        (),
    )
    digest = stored(environment)[b"digest"].decode()
    assert outcome.fields == {
        "revision": 1,
        "indexedRevision": 1,
        "items": 3,
        "scales": 1,
        "digest": digest,
    }
    assert b"redisConfigRef" not in stored(environment)[b"doc:1"]


def test_an_unchanged_document_causes_no_revision_and_no_message(environment: Environment) -> None:
    resource = instrument(environment)
    for _ in range(3):
        environment.reconcile(resource)
    environment.reconcile(instrument(environment, deletion="Delete"))  # not the document's own
    server = server_of(environment)
    assert stored(environment)[b"revision"] == b"1"
    assert server.client.xlen(server.broker.ready_key(BUILD_INDEX.queue)) == 1


def test_a_changed_document_becomes_the_next_revision_and_the_earlier_one_stays_in_use(
    environment: Environment,
) -> None:
    environment.reconcile(instrument(environment))
    index(environment)
    resource = instrument(environment, title="Another")
    outcome = environment.reconcile(resource)
    assert (outcome.fields["revision"], outcome.fields["indexedRevision"], ready(outcome)) == (
        2,
        1,
        (False, "Indexing"),
    )
    assert "revision 1 is used for scoring until then" in said(outcome, "Indexed")[2]
    index(environment)
    assert ready(environment.reconcile(resource)) == (True, "Indexed")
    reworded = environment.reconcile(instrument(environment, title="Another", form="today"))
    assert "indexedRevision" not in reworded.fields, "its form is new: nothing scores it yet"


def test_an_invalid_document_is_reported_and_the_published_one_is_kept(
    environment: Environment,
) -> None:
    environment.reconcile(instrument(environment))
    index(environment)
    spec = spec_of()
    spec["scales"][0]["items"] = ["i1", "i9"]
    spec["items"][0]["responses"] = "six"
    resource = environment.put("Instrument", NAME, **spec)
    outcome = environment.reconcile(resource)
    published = said(outcome, "Published")
    assert published[:2] == (False, "InvalidDocument")
    assert "spec.scales[0].items[1]" in published[2]
    assert "spec.items[0].responses" in published[2]
    assert said(outcome, "Indexed") == (False, "NotPublished", "Revision 1 stays in use.")
    assert outcome.fields["revision"] == 1
    assert stored(environment)[b"revision"] == b"1"
    assert ready(environment.reconcile(instrument(environment))) == (True, "Indexed")


def test_errors_beyond_the_message_limit_are_counted(environment: Environment) -> None:
    spec = spec_of()
    spec["scales"][0]["items"] = [f"x{number}_{'y' * 50}" for number in range(300)]
    outcome = environment.reconcile(environment.put("Instrument", NAME, **spec))
    message = said(outcome, "Published")[2]
    assert len(message.splitlines()) == 21
    assert message.splitlines()[-1].startswith("and ")
    assert len(message.encode()) <= 32_768
    assert not stored(environment)


def test_a_name_that_is_not_a_label_is_an_error_of_the_document(environment: Environment) -> None:
    outcome = environment.reconcile(environment.put("Instrument", "a.mood", **spec_of()))
    assert ready(outcome) == (False, "InvalidDocument")
    assert "metadata.name" in said(outcome, "Published")[2]


def test_an_owned_instrument_cannot_be_published_by_others(
    environment: Environment,
) -> None:
    put(environment, "from the API")
    outcome = environment.reconcile(instrument(environment))
    assert outcome.fields["revision"] == 2
    with pytest.raises(Exception, match="Instrument ns/a-mood"):
        put(environment, "again")
    server = server_of(environment)
    server.client.hset(
        server.keys.instrument(NAME), "managedUntil", 1
    )  # the operator was down for more than three minutes
    put(environment, "again")
    assert environment.reconcile(instrument(environment)).fields["revision"] == 4


def test_nothing_is_published_while_the_index_queue_is_draining(environment: Environment) -> None:
    server = server_of(environment)
    server.broker.set_state(BUILD_INDEX.queue, QueueState.DRAINING)
    resource = instrument(environment)
    outcome = environment.reconcile(resource)
    assert (ready(outcome), outcome.settled) == ((False, "QueueDraining"), False)
    assert not stored(environment)
    server.broker.resume(BUILD_INDEX.queue)
    assert said(environment.reconcile(resource), "Published")[0] is True


def test_of_two_resources_with_one_name_the_older_owns_it_also_across_namespaces(
    environment: Environment,
) -> None:
    environment.put(
        "RedisConfig",
        "default",
        namespace="other",
        connection={"host": "127.0.0.1", "port": environment.port},
    )
    younger = instrument(
        environment, namespace="other", created="2026-11-05T00:00:00Z", title="Younger"
    )
    older = instrument(environment, title="Older")
    for _ in range(2):
        outcome = environment.reconcile(younger)
        assert (ready(outcome), outcome.fields) == ((False, "ResourceConflict"), {})
        assert environment.reconcile(older).fields["revision"] == 1
    environment.drop(older)
    assert environment.reconcile(younger).fields["revision"] == 2
    assert b"Younger" in stored(environment)[b"doc:2"]


def test_an_unanswered_instrument_is_deleted_and_recreated_as_the_next_revision(
    environment: Environment,
) -> None:
    resource = instrument(environment, deletion="Delete")
    environment.reconcile(resource)
    index(environment)
    released = environment.delete(resource)
    assert (released.done, [event.reason for event in released.events]) == (
        True,
        ["InstrumentDeleted"],
    )
    assert stored(environment) == {b"revision": b"1"}
    index(environment)  # the message is still there
    server = server_of(environment)
    assert server.client.hlen(server.keys.index) == 0
    assert answer(environment) == "gone"
    again = instrument(environment, deletion="Delete")
    assert (again.uid != resource.uid, environment.reconcile(again).fields["revision"]) == (True, 2)
    assert environment.delete(again).done
    assert environment.delete(instrument(environment, deletion="Delete")).events == (), (
        "never published: nothing to say"
    )


def test_an_answered_instrument_is_kept_with_a_warning(environment: Environment) -> None:
    resource = instrument(environment, deletion="Delete")
    environment.reconcile(resource)
    assert answer(environment) == "new"
    released = environment.delete(resource)
    assert released.done
    assert [(event.warning, event.reason) for event in released.events] == [(True, "HasAttempts")]
    assert stored(environment)[b"revision"] == b"1"
    put(environment, "others may again")


@pytest.mark.parametrize("loser", [False, True])
def test_a_conflicting_younger_resource_removes_nothing(
    environment: Environment, *, loser: bool
) -> None:
    environment.put(
        "RedisConfig",
        "default",
        namespace="other",
        connection={"host": "127.0.0.1", "port": environment.port},
    )
    older, younger = (
        instrument(environment),
        instrument(
            environment, namespace="other", created="2026-11-05T00:00:00Z", deletion="Delete"
        ),
    )
    environment.reconcile(older)
    if loser:
        environment.reconcile(younger)
    assert [event.reason for event in environment.delete(younger).events] == ["ResourceConflict"]
    assert stored(environment)[b"revision"] == b"1"
