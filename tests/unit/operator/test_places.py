"""Addresses of RedisConfigs: short names belong to the resource's own namespace."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.resource import Resource
from stanine_operator.redis_configs.conflicts import (
    find_parameters_conflict,
    find_settings_conflict,
)
from stanine_operator.redis_servers.places import (
    address_of,
    full_host,
    name_in_certificate,
    nodes_of,
)

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda text: text != "localhost"
)


def config(namespace: str, name: str = "default", **connection: Any) -> Resource:
    spec = {"connection": connection, "server": [{"name": "hz", "value": "20"}]}
    return Resource(
        kind="RedisConfig", namespace=namespace, name=name, uid=f"uid of {name}", spec=spec
    )


@given(LABEL, LABEL, LABEL)
def test_a_short_name_belongs_to_the_resources_namespace(host: str, one: str, other: str) -> None:
    mine, theirs = config(one, "a", host=host), config(other, "b", host=host)
    assert nodes_of(mine) == ((f"{host}.{one}.svc", 6379),)
    assert (address_of(mine) == address_of(theirs)) == (one == other)
    for find in (find_parameters_conflict, find_settings_conflict):
        assert (find(theirs, [mine, theirs], "") is None) == (one != other)


@given(LABEL, LABEL, LABEL)
def test_equivalent_addresses_are_equal_from_any_namespace(host: str, one: str, other: str) -> None:
    short = address_of(config(one, host=host))
    for written in (
        f"{host}.{one}.svc",
        f"{host}.{one}.svc.",
        f"{host}.{one}.svc.cluster.local",
        f"{host}.{one}.SVC.cluster.local.".upper(),
    ):
        assert address_of(config(other, host=written, port=6379)) == short
    assert address_of(config(one, host=host, port=6380)) != short


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "127.0.0.1", "::1", "redis.example.com", "redis.", "a.b", "fe80::1"],
)
def test_ip_addresses_localhost_and_dotted_names_are_unchanged(host: str) -> None:
    assert full_host(host, "ns") == host


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("::1", "0:0:0:0:0:0:0:1"),
        ("Redis.example.com", "redis.example.com."),
        ("LOCALHOST", "localhost"),
    ],
)
def test_spellings_of_one_address_are_one_address(one: str, other: str) -> None:
    assert address_of(config("a", host=one)) == address_of(config("b", host=other))


@given(st.permutations(["one", "two", "three.other.svc"]))
def test_sentinels_belong_to_the_namespace_and_are_compared_unordered(
    hosts: list[str],
) -> None:
    def asking(namespace: str, names: list[str]) -> Resource:
        return config(
            namespace, sentinel={"masterName": "main", "nodes": [{"host": name} for name in names]}
        )

    mine = asking("exams", hosts)
    assert sorted(host for host, _ in nodes_of(mine)) == [
        "one.exams.svc",
        "three.other.svc",
        "two.exams.svc",
    ]
    assert address_of(mine) == address_of(
        asking("elsewhere", ["one.exams.svc", "two.exams.svc", "three.other.svc"])
    )
    assert address_of(mine) != address_of(asking("elsewhere", hosts))


def test_the_certificate_of_a_short_name_has_the_name_as_written() -> None:
    assert name_in_certificate(config("ns", host="redis", tls={})) == "redis"
    assert name_in_certificate(config("ns", host="redis", tls={"serverName": "other"})) == "other"
    assert name_in_certificate(config("ns", host="redis.ns.svc", tls={})) is None
