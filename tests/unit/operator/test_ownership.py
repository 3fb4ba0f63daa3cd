"""Ownership of objects that several resources claim."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.connection.ownership import Owner, OwnershipConflictError, read_owner
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.ownership import acquire, find_conflict, is_gone
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache

HOLDER = Owner("Queue ns/q", "u1", "2026-11-01T00:00:00Z", "here", "config-uid")


def resource(
    kind: str,
    name: str,
    uid: str,
    *,
    namespace: str = "ns",
    created: str = "2026-11-01T00:00:00Z",
    **spec: Any,
) -> Resource:
    return Resource(
        kind=kind, namespace=namespace, name=name, uid=uid, created=created, spec=spec, version="1"
    )


def config(namespace: str = "ns", host: str = "redis", **spec: Any) -> Resource:
    return resource(
        "RedisConfig",
        "default",
        f"config-{namespace}",
        namespace=namespace,
        connection={"host": host},
        **spec,
    )


def cache_of(*resources: Resource) -> ResourceCache:
    resource_cache = ResourceCache()
    for each in resources:
        resource_cache.put(each)
    return resource_cache


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 1)), min_size=1, max_size=6))
def test_exactly_the_oldest_of_several_claims_has_no_conflict(
    has_claim: list[tuple[int, int]],
) -> None:
    queues = [
        resource(
            "Queue",
            f"q{number}",
            f"u{number}",
            created=f"2026-11-0{day}T00:00:00Z",
            queueName=f"name-{thing}",
        )
        for number, (day, thing) in enumerate(has_claim)
    ]
    resource_cache = cache_of(config(), *queues)
    for name in {each.spec["queueName"] for each in queues}:
        claiming = [each for each in queues if each.spec["queueName"] == name]
        winners = [each for each in claiming if find_conflict(each, resource_cache) is None]
        assert winners == [min(claiming, key=lambda each: (each.created, each.uid))]
        assert {
            getattr(find_conflict(each, resource_cache), "uid", winners[0].uid) for each in claiming
        } == {winners[0].uid}


@pytest.mark.parametrize(
    ("other", "rivals"),
    [
        (config("b", "redis.ns.svc"), True),
        (config("b", "Redis.ns.svc."), True),
        (config("b"), False),
        (config("b", "another"), False),
        (config("b", keyNamespace="another"), False),
        (
            resource(
                "RedisConfig", "default", "x", namespace="b", connection={"host": "redis", "db": 1}
            ),
            False,
        ),
        (
            resource("RedisConfig", "unknown", "x", namespace="b", connection={"host": "redis"}),
            False,
        ),
    ],
)
def test_resources_conflict_if_name_key_namespace_and_database_are_equal(
    other: Resource, *, rivals: bool
) -> None:
    older = resource("Queue", "q", "u1", queueName="results")
    younger = resource(
        "Queue", "q", "u2", namespace="b", created="2026-11-02T00:00:00Z", queueName="results"
    )
    assert (find_conflict(younger, cache_of(config(), other, older, younger)) is not None) == rivals


def test_a_holder_counts_as_deleted_only_if_it_would_be_in_the_cache() -> None:
    known = [resource("RedisConfig", "default", "config-uid")]
    assert is_gone(HOLDER, [], known, "here")
    assert not is_gone(HOLDER, [resource("Queue", "q", "u1")], known, "here")
    assert not is_gone(HOLDER, [], known, "another operator")
    assert not is_gone(
        HOLDER, [], [resource("RedisConfig", "default", "of another cluster")], "here"
    )


def test_a_deleted_holder_is_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def attempt(gone: str) -> str:
        tried.append(gone)
        raise OwnershipConflictError("queue q", HOLDER)

    class AccessWorld:
        resource_cache = cache_of(resource("RedisConfig", "default", "config-uid"))
        operator_id = "here"

    context: Any = AccessWorld()
    with pytest.raises(OwnershipConflictError):
        acquire(attempt, "Queue", context)
    assert tried == ["", "u1"]


class FakeConnections:
    """Opens nothing."""

    def open(self, redis_config: Resource) -> str:
        return redis_config.uid


def test_owner_records_of_all_versions_are_read_back() -> None:
    queue, opened = resource("Queue", "q", "u1"), FakeConnections()
    known = cache_of(resource("RedisConfig", "default", "config-uid"))
    connections: Any = opened
    _, made = ReconcileContext(connections, known, "here").connect(queue)
    assert made == HOLDER
    assert read_owner(made.encode().encode()) == made
    assert read_owner(b'{"name":"n","uid":"u","created":"c","later":"x"}') == Owner("n", "u", "c")
