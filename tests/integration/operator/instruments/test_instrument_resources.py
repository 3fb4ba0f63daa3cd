"""Instrument resources with a real API server, the operator process and an indexWatcher's actor."""

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from prometheus_client import CollectorRegistry
from tests.conftest import Server
from tests.integration.api.serving import document
from tests.integration.operator.harness import Api, Object, OperatorProcess, redis_config, resource

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect
from stanine.domain.instruments.document import canonical, digest
from stanine.domain.scoring.index import decode_entry
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.actors import register
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import SCORE_ATTEMPTS
from stanine.store import load_library
from stanine.store.attempts import Submission, read_submitted, submit_call
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.records import RANDOM_BYTES
from stanine.telemetry.watcher_metrics import IndexWatcherMetrics

NAME = "a-mood"
KEYS = Keys("stanine")


@pytest.fixture
def client(
    api: Api, namespace: str, valkey: Server, redis_url: str, operator: OperatorProcess
) -> Iterator["redis.Redis"]:
    """A client of the RedisConfig's server while the operator runs."""
    assert operator.is_ready()
    api.apply(redis_config(namespace, valkey.port))
    made = connect(redis_url)
    yield made
    made.close()


@pytest.fixture
def index_watcher(client: "redis.Redis", redis_url: str) -> Iterator[None]:
    """The indexWatcher's work, in this process."""
    broker = StreamsBroker(redis_url, namespace=KEYS.partition)
    builder = IndexBuilder(
        InstrumentHistory(client, KEYS), Index(client, load_library(), KEYS), ENGINE_VERSION
    )
    register(broker, builder, IndexWatcherMetrics(CollectorRegistry()))
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    yield
    worker.stop(5_000)
    broker.close()


def instrument(
    namespace: str, *, name: str = NAME, deletion: str | None = None, **options: Any
) -> Object:
    spec = document(name, **options)["spec"]
    return resource(
        "Instrument",
        namespace,
        name,
        spec if deletion is None else {**spec, "deletionPolicy": deletion},
    )


def large(namespace: str, title: str) -> Object:
    """A document of 2,000 items and 1.0 MiB of canonical JSON."""
    body = instrument(namespace, title=title, items=2000)
    size = len(canonical({**body, "metadata": {"name": NAME}}))
    filling = ((1 << 20) - size) // 2000
    for item in body["spec"]["items"]:
        item["text"] += "." * filling
    return body


def fields(client: "redis.Redis") -> dict[bytes, bytes]:
    found: Any = client.hgetall(KEYS.instrument(NAME))
    return dict(found)


def eventually(condition: Callable[[], Any], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.02)


@pytest.mark.usefixtures("index_watcher")
def test_an_applied_instrument_becomes_ready_when_it_is_indexed(
    client: "redis.Redis", api: Api, namespace: str
) -> None:
    api.apply(instrument(namespace))
    reported = api.wait("Instrument", namespace, NAME)
    plain = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": NAME},
        "spec": reported["spec"],
    }
    status = {name: value for name, value in reported["status"].items() if name != "conditions"}
    assert status == {
        "observedGeneration": 1, "operator": "stanine-operator", "revision": 1, "indexedRevision": 1, "items": 3, "scales": 1,
        "digest": digest(canonical(plain)),
    }  # fmt: skip
    assert {each["type"]: each["status"] for each in reported["status"]["conditions"]} == {
        "Ready": "True",
        "Published": "True",
        "Indexed": "True",
    }
    assert fields(client)[b"doc:1"] == canonical(document())
    api.apply(instrument(namespace, title="Another"))
    assert api.wait("Instrument", namespace, NAME)["status"]["revision"] == 2
    api.patch("Instrument", namespace, NAME, {"metadata": {"annotations": {"a": "b"}}})
    api.apply(instrument(namespace, title="Another", deletion="Retain"))
    reported = api.wait("Instrument", namespace, NAME)
    assert (reported["metadata"]["generation"], reported["status"]["revision"]) == (3, 2)


def test_without_an_index_watcher_an_instrument_is_published_but_not_ready(
    client: "redis.Redis", api: Api, namespace: str
) -> None:
    api.apply(instrument(namespace))
    api.wait("Instrument", namespace, NAME, "Published")
    assert (
        api.wait("Instrument", namespace, NAME, "Indexed", "False", "Indexing")["status"][
            "revision"
        ]
        == 1
    )
    assert api.wait("Instrument", namespace, NAME, status="False", reason="Indexing")
    assert b"managedBy" in fields(client)


@pytest.mark.usefixtures("client")
def test_domain_errors_are_reported_in_the_condition(api: Api, namespace: str) -> None:
    body = instrument(namespace)
    body["spec"]["scales"][0]["items"] = ["i1", *(f"nobody{number}" for number in range(40))]
    api.apply(body)
    reported = api.wait("Instrument", namespace, NAME, "Published", "False", "InvalidDocument")
    message = next(
        each["message"] for each in reported["status"]["conditions"] if each["type"] == "Published"
    )
    assert "spec.scales[0].items[1]" in message
    assert message.splitlines()[20].startswith("and 2")
    assert api.wait("Instrument", namespace, NAME, status="False", reason="InvalidDocument")
    api.apply(instrument(namespace))
    api.wait("Instrument", namespace, NAME, "Published")


@pytest.mark.usefixtures("index_watcher")
@pytest.mark.filterwarnings("ignore:Sending a large body")  # the test sends it, not the operator
def test_a_document_of_1_mib_and_2000_items_is_published_and_updated(
    client: "redis.Redis", api: Api, namespace: str
) -> None:
    for revision, title in enumerate(("First", "Second"), start=1):
        body = large(namespace, title)
        api.apply(body)
        reported = api.wait("Instrument", namespace, NAME)
        size = len(fields(client)[b"doc:%d" % revision])
        assert 0.99 * (1 << 20) < size <= 1 << 20
        assert (
            reported["status"]["revision"],
            reported["status"]["indexedRevision"],
            reported["status"]["items"],
        ) == (revision, revision, 2000)
    entry: Any = client.hget(KEYS.index, f"{NAME}/1")
    assert decode_entry(entry).title == "Second"


@pytest.mark.usefixtures("index_watcher")
def test_deleting_keeps_answered_instruments_and_removes_others(
    client: "redis.Redis", api: Api, namespace: str
) -> None:
    api.apply(instrument(namespace, deletion="Delete"))
    api.wait("Instrument", namespace, NAME)
    api.delete("Instrument", namespace, NAME)
    api.wait_gone("Instrument", namespace, NAME)
    assert fields(client) == {b"revision": b"1"}
    assert client.hlen(KEYS.index) == 0
    api.apply(instrument(namespace, deletion="Delete"))
    assert api.wait("Instrument", namespace, NAME)["status"]["revision"] == 2
    broker = StreamsBroker(client=client, namespace=KEYS.partition)
    outbox: Any = type(
        "Outbox", (), {"stream": broker.ready_key(SCORE_ATTEMPTS.queue), "head": b"head"}
    )
    submission = Submission(
        2, 2, bytes(3), secrets.token_bytes(16), secrets.token_bytes(RANDOM_BYTES)
    )
    keys, args = submit_call(KEYS, outbox, [submission], b"", 64)
    (submitted,) = read_submitted([submission], load_library().call(client, "submit", keys, args))
    assert submitted.outcome == "new"
    api.delete("Instrument", namespace, NAME)
    api.wait_gone("Instrument", namespace, NAME)
    eventually(
        lambda: any(each[:2] == ("Warning", "HasAttempts") for each in api.events(namespace, NAME))
    )
    assert b"doc:2" in fields(client)
    api.apply(instrument(namespace))  # a new resource continues with it
    assert api.wait("Instrument", namespace, NAME)["status"]["revision"] == 2
    api.delete("Instrument", namespace, NAME)
    api.wait_gone("Instrument", namespace, NAME)
    assert b"doc:2" in fields(client), "Retain, the default, keeps everything"
