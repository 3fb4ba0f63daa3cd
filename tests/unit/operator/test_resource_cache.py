"""The resource cache, for any order of arriving states."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.resource import Resource, read_resource
from stanine_operator.controller.resource_cache import REMEMBERED, ResourceCache, older, oldest


def queue(
    name: str = "q",
    version: int = 1,
    uid: str = "u",
    created: str = "2026-11-23T09:00:00Z",
    config: str | None = None,
) -> Resource:
    spec = {} if config is None else {"redisConfigRef": {"name": config}}
    return Resource(
        kind="Queue",
        namespace="n",
        name=name,
        uid=uid,
        version=str(version),
        created=created,
        spec=spec,
    )


@given(st.permutations(range(1, 8)))
def test_the_newest_state_is_kept_in_any_order_of_arrival(versions: list[int]) -> None:
    resource_cache = ResourceCache()
    taken = [resource_cache.put(queue(version=version)) for version in versions]
    known = resource_cache.get(("Queue", "n", "q"))
    assert known is not None
    assert known.version == "7"
    assert taken == [
        version == max(versions[: index + 1]) for index, version in enumerate(versions)
    ]


@given(st.permutations([(1, 90), (1, 95), (2, 40), (2, 41), (2, 95), (3, 7)]))
def test_a_state_of_a_later_history_is_kept_regardless_of_its_version(
    states: list[tuple[int, int]],
) -> None:
    resource_cache = ResourceCache()
    for history, version in states:
        resource_cache.put(msgspec.structs.replace(queue(version=version), history=history))
    known = resource_cache.get(("Queue", "n", "q"))
    assert known is not None
    assert (known.history, known.version) == (3, "7")


def test_writes_of_an_earlier_history_are_ignored() -> None:
    resource_cache = ResourceCache()
    restored = msgspec.structs.replace(queue(version=40), history=1)
    resource_cache.put(restored)
    resource_cache.update(queue(version=42))
    assert resource_cache.get(restored.key) == restored


def test_a_deletion_in_an_earlier_history_does_not_remove_a_later_object() -> None:
    resource_cache = ResourceCache()
    resource_cache.put(msgspec.structs.replace(queue(version=40), history=1))
    assert resource_cache.drop(("Queue", "n", "q"), "u", history=0) is None
    assert resource_cache.drop(("Queue", "n", "q"), "u", history=1) is not None


def test_the_watchs_version_of_a_written_state_is_kept_but_not_newer() -> None:
    resource_cache = ResourceCache()
    resource_cache.put(queue(version=1))
    resource_cache.update(
        msgspec.structs.replace(queue(version=2), status={"known": 1, "unknown": 2})
    )
    kept = msgspec.structs.replace(queue(version=2), status={"known": 1})
    assert not resource_cache.put(kept)
    assert resource_cache.get(kept.key) == kept


def test_a_recreated_object_replaces_the_old_one() -> None:
    resource_cache = ResourceCache()
    resource_cache.put(queue(version=9, uid="first"))
    assert resource_cache.put(queue(version=2, uid="second", created="2026-11-23T10:00:00Z"))
    assert resource_cache.drop(("Queue", "n", "q"), "first") is None, (
        "the late news of the first one's end must not drop the second"
    )
    assert not resource_cache.put(queue(version=10, uid="first"))


def test_referrers_are_tracked_across_changes() -> None:
    resource_cache = ResourceCache()
    resource_cache.put(queue("a"))
    resource_cache.put(queue("b", config="other"))
    assert resource_cache.referring_to("n", "default") == [("Queue", "n", "a")]
    resource_cache.put(queue("a", version=2, config="other"))
    assert resource_cache.referring_to("n", "default") == []
    assert sorted(resource_cache.referring_to("n", "other")) == [
        ("Queue", "n", "a"),
        ("Queue", "n", "b"),
    ]
    resource_cache.drop(("Queue", "n", "b"))
    assert resource_cache.referring_to("n", "other") == [("Queue", "n", "a")]
    assert resource_cache.referring_to("elsewhere", "other") == []


def test_a_deleted_redis_config_remains_available_for_a_while() -> None:
    now = [0.0]
    resource_cache = ResourceCache(clock=lambda: now[0])
    config = Resource(kind="RedisConfig", namespace="n", name="default", uid="u", version="1")
    resource_cache.put(config)
    resource_cache.drop(config.key)
    assert resource_cache.redis_config("n", "default") is None
    assert resource_cache.recently_deleted("n", "default") == config
    now[0] = REMEMBERED + 1
    assert resource_cache.recently_deleted("n", "default") is None


def test_the_older_resource_was_created_first_or_has_the_smaller_uid() -> None:
    first, second, third = (
        queue(uid="z"),
        queue(uid="a", created="2026-11-23T09:00:01Z"),
        queue(uid="b", created="2026-11-23T09:00:01Z"),
    )
    assert older(second, first) is first
    assert older(third, second) is second
    assert oldest([third, second, first]) is first
    assert oldest([]) is None


def test_the_last_applied_annotation_is_dropped() -> None:
    resource = read_resource(
        "Queue",
        {
            "metadata": {
                "namespace": "n", "name": "q", "uid": "u", "generation": 3, "resourceVersion": "17", "finalizers": ["f"],
                "deletionTimestamp": "2026-11-23T09:00:00Z", "creationTimestamp": "2026-11-23T08:00:00Z",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "stanine.dev/paused": "true"},
            },
            "spec": {"deletionPolicy": "Delete"},
        },
    )  # fmt: skip
    assert resource.annotations == {"stanine.dev/paused": "true"}
    assert (resource.paused, resource.deleting, resource.deletes_data, resource.generation) == (
        True,
        True,
        True,
        3,
    )
    again = msgspec.structs.replace(resource, version="18", annotations={})
    assert again.is_newer_than(resource)
    assert not resource.is_newer_than(again)
    assert not again.paused
