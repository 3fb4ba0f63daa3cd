from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.connection.ownership import Owner
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache
from stanine_operator.redis_configs.conflicts import (
    find_expired_holder,
    find_parameters_conflict,
    find_settings_conflict,
)

SERVER = [{"name": "hz", "value": "20"}]


def config(
    uid: str, created: int = 1, *, run_id: str = "", deleting: bool = False, **spec: Any
) -> Resource:
    spec = {"connection": {"host": "redis", "port": 6379}, "server": SERVER} | spec
    return Resource(
        kind="RedisConfig", namespace="ns", name=uid, uid=uid, created=f"2026-11-23T09:00:{created:02}Z", spec=spec,
        status={"runId": run_id} if run_id else {}, deleting=deleting,
    )  # fmt: skip


def at(host: str, **more: Any) -> dict[str, Any]:
    return {"host": host, "port": 6379, **more}


def place(one: Resource) -> tuple[Any, ...]:
    return one.spec["connection"]["host"], one.spec["connection"]["db"], one.spec["keyNamespace"]


configs = st.lists(
    st.builds(
        lambda uid, created, host, db, prefix, observe: config(
            uid, created, connection=at(host, db=db), keyNamespace=prefix, managementPolicy="Observe" if observe else "Apply"
        ),
        st.uuids().map(str), st.integers(1, 5), st.sampled_from("ab"), st.integers(0, 1), st.sampled_from("xy"), st.booleans(),
    ),
    max_size=8,
    unique_by=lambda one: one.uid,
)  # fmt: skip


@given(configs)
def test_each_object_has_at_most_one_owner(resources: list[Resource]) -> None:
    places = [place(one) for one in resources if find_settings_conflict(one, resources, "") is None]
    assert sorted(places) == sorted({place(one) for one in resources})
    applying = [one for one in resources if one.spec["managementPolicy"] == "Apply"]
    having = [
        one.spec["connection"]["host"]
        for one in applying
        if find_parameters_conflict(one, resources, "") is None
    ]
    assert sorted(having) == sorted({one.spec["connection"]["host"] for one in applying})


@given(configs)
def test_the_reported_owner_is_older_and_has_no_conflict(
    resources: list[Resource],
) -> None:
    for one in resources:
        conflict = find_parameters_conflict(one, resources, "")
        if conflict is not None:
            assert (conflict.created, conflict.uid) < (one.created, one.uid)
            assert find_parameters_conflict(conflict, resources, "") is None


def test_other_databases_and_prefixes_share_parameters_but_not_settings() -> None:
    elder, younger = config("a", 1), config("b", 2, connection=at("redis", db=1))
    assert find_parameters_conflict(younger, [elder, younger], "") == elder
    assert find_settings_conflict(younger, [elder, younger], "") is None


def test_observing_or_deleted_resources_own_nothing() -> None:
    younger = config("b", 2)
    assert (
        find_parameters_conflict(younger, [config("a", 1, managementPolicy="Observe")], "") is None
    )
    assert find_parameters_conflict(younger, [config("a", 1, server=[])], "") is None
    assert find_settings_conflict(younger, [config("a", 1, deleting=True)], "") is None


def test_a_server_is_the_same_under_two_names_if_its_run_id_is() -> None:
    elder = config("a", 1, connection=at("valkey.stanine.svc"), run_id="r1")
    younger = config("b", 2, connection=at("10.0.0.7"))
    assert find_parameters_conflict(younger, [elder], "r1") == elder
    assert find_parameters_conflict(younger, [elder], "r2") is None
    restarted = config("b", 2, connection=at("10.0.0.7"), run_id="r1")
    assert (
        find_parameters_conflict(restarted, [elder], "r2") == elder
    )  # the older one has not been reconciled since the restart


def test_host_names_are_compared_without_case_and_final_dot() -> None:
    elder = config("a", 1, connection=at("Redis.example."))
    assert (
        find_settings_conflict(config("b", 2, connection=at("redis.EXAMPLE")), [elder], "") == elder
    )


def test_sentinels_in_another_order_are_the_same() -> None:
    def watched(*hosts: str) -> dict[str, Any]:
        return {
            "sentinel": {
                "masterName": "m",
                "nodes": [{"host": host, "port": 26379} for host in hosts],
            }
        }

    elder = config("a", 1, connection=watched("s1", "s2"))
    assert (
        find_settings_conflict(config("b", 2, connection=watched("s2", "s1")), [elder], "") == elder
    )


def test_only_a_holder_that_cannot_renew_is_expired() -> None:
    resource_cache = ResourceCache()
    elder = config("a", 1)
    holder = Owner("RedisConfig ns/a", "a", elder.created, "here")
    assert find_expired_holder(holder, resource_cache) == ""
    resource_cache.put(elder)
    assert find_expired_holder(holder, resource_cache) == "a"  # it is cached and does not conflict
    resource_cache.drop(elder.key)
    assert find_expired_holder(holder, resource_cache) == "a"  # it was deleted recently
    resource_cache.put(config("a", 3))
    assert (
        find_expired_holder(
            Owner("RedisConfig ns/a", "another cluster's", elder.created, "here"), resource_cache
        )
        == ""
    )
    assert find_expired_holder(None, resource_cache) == ""
