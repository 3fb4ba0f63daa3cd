"""The network policies, evaluated as Kubernetes does, allow exactly the listed connections."""

from typing import Any

import pytest
from tests.chart.rendering import Object, of_kind, render

COMPONENTS = (
    "api",
    "index-watcher",
    "result-watcher",
    "operator",
    "valkey",
    "smoke-test",
    "uninstall",
)
PORTS = {
    "api": 8000,
    "index-watcher": 8081,
    "result-watcher": 8081,
    "operator": 8081,
    "valkey": 6379,
}
#: Allowed connections within a release with default values.
ALLOWED = {
    ("smoke-test", "api"),
    ("api", "valkey"),
    ("index-watcher", "valkey"),
    ("result-watcher", "valkey"),
    ("operator", "valkey"),
}


def labels(component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "stanine",
        "app.kubernetes.io/instance": "trial",
        "app.kubernetes.io/component": component,
    }


def selects(selector: dict[str, Any], component: str) -> bool:
    assert set(selector) <= {"matchLabels"}, "another sort of selector: teach this test"
    return all(
        labels(component).get(name) == value
        for name, value in selector.get("matchLabels", {}).items()
    )


def admits(
    rules: list[Object], direction: str, other: str | None, port: int, protocol: str = "TCP"
) -> bool:
    """Return whether rules admit a pod of the release (None: an external peer) at a port."""
    for rule in rules:
        if "ports" in rule and not any(
            each["port"] == port and each["protocol"] == protocol for each in rule["ports"]
        ):
            continue
        peers = rule.get(direction)
        if peers is None:
            return True
        for peer in peers:
            if (
                other is not None
                and set(peer) == {"podSelector"}
                and selects(peer["podSelector"], other)
            ):
                return True
    return False


def may_talk(policies: dict[str, Object], source: str, target: str) -> bool:
    out = [
        policy["spec"]
        for policy in policies.values()
        if selects(policy["spec"]["podSelector"], source)
    ]
    into = [
        policy["spec"]
        for policy in policies.values()
        if selects(policy["spec"]["podSelector"], target)
    ]
    assert len(out) == len(into) == 1, "every pod has one policy"
    port = PORTS[target]
    return admits(out[0].get("egress", []), "to", target, port) and admits(
        into[0].get("ingress", []), "from", source, port
    )


def test_connections_within_a_release_match_the_table() -> None:
    policies = of_kind(render(), "NetworkPolicy")
    talk = {
        (source, target)
        for source in COMPONENTS
        for target in PORTS
        if source != target and may_talk(policies, source, target)
    }
    assert talk == ALLOWED


def test_the_pages_reach_the_api_and_nothing_else() -> None:
    values = {
        "pages": {"enabled": True},
        "networkPolicy": {"apiFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
    }
    policies = of_kind(render(values), "NetworkPolicy")
    assert {target for target in PORTS if may_talk(policies, "pages", target)} == {"api"}
    pages = policies["trial-stanine-pages"]["spec"]
    reached = {
        (port["port"], port["protocol"]) for rule in pages["egress"] for port in rule["ports"]
    }
    assert reached == {(53, "UDP"), (53, "TCP"), (8000, "TCP")}
    assert admits(pages["ingress"], "from", None, 8001)


def test_every_policy_covers_both_directions() -> None:
    for policy in of_kind(render(), "NetworkPolicy").values():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_valkey_has_no_egress_and_only_operator_and_hook_reach_kubernetes() -> None:
    policies = of_kind(render(), "NetworkPolicy")
    leaving = {
        name.removeprefix("trial-stanine-"): policy["spec"].get("egress", [])
        for name, policy in policies.items()
    }
    reach = {name for name, rules in leaving.items() if admits(rules, "to", None, 6443)}
    assert reach == {"operator", "uninstall"}
    assert not leaving["valkey"]
    names = {name for name, rules in leaving.items() if admits(rules, "to", None, 53, "UDP")}
    assert names == set(COMPONENTS) - {"valkey"}


def test_external_ingress_is_limited_to_the_api_and_metrics() -> None:
    policies = of_kind(render(), "NetworkPolicy")
    reached = {
        name: admits(policies[f"trial-stanine-{name}"]["spec"]["ingress"], "from", None, port)
        for name, port in PORTS.items()
    }
    assert reached == {
        "api": True,
        "index-watcher": True,
        "result-watcher": True,
        "operator": True,
        "valkey": False,
    }


@pytest.mark.parametrize("enabled", [True, False])
def test_callers_can_be_restricted_and_the_smoke_test_still_connects(enabled: bool) -> None:
    ingress = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    policies = of_kind(
        render({"networkPolicy": {"enabled": enabled, "apiFrom": ingress, "metricsFrom": ingress}}),
        "NetworkPolicy",
    )
    assert bool(policies) is enabled
    if enabled:
        rules = policies["trial-stanine-api"]["spec"]["ingress"]
        assert not admits(rules, "from", None, 8000)
        assert admits(rules, "from", "smoke-test", 8000)
        assert ingress[0] in rules[0]["from"]
        assert not admits(policies["trial-stanine-operator"]["spec"]["ingress"], "from", None, 8081)


def test_an_external_server_is_reachable_at_its_ports_and_addresses() -> None:
    there = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    sentinels = {"enabled": True, "nodes": [{"host": "a"}, {"host": "b", "port": 26380}]}
    values = {
        "valkey": {"enabled": False},
        "externalRedis": {"sentinel": sentinels, "port": 6390},
        "networkPolicy": {"redisTo": there},
    }
    policies = of_kind(render(values), "NetworkPolicy")
    assert "trial-stanine-valkey" not in policies
    (rule,) = [
        rule
        for rule in policies["trial-stanine-api"]["spec"]["egress"]
        if rule["ports"][0]["port"] != 53
    ]
    assert [each["port"] for each in rule["ports"]] == [26379, 26380, 6390]
    assert rule["to"] == there


def test_trace_egress_is_limited_to_the_collector() -> None:
    for enabled in (True, False):
        values = {"otel": {"enabled": enabled}, "pages": {"enabled": True}}
        policies = of_kind(render(values), "NetworkPolicy")
        leaving = {
            name.removeprefix("trial-stanine-")
            for name, policy in policies.items()
            if admits(policy["spec"].get("egress", []), "to", None, 4318)
        }
        assert leaving == (
            {"api", "pages", "index-watcher", "result-watcher", "operator"} if enabled else set()
        )


@pytest.mark.parametrize(
    ("endpoint", "given", "port"),
    [
        ("http://$(HOST_IP):4318", 0, 4318),
        ("http://collector.telemetry:4319/v1", 0, 4319),
        ("https://otlp.example/v1", 0, 443),
        ("http://collector.telemetry", 4318, 4318),
    ],
)
def test_the_trace_port_defaults_to_the_port_of_the_address(
    endpoint: str, given: int, port: int
) -> None:
    policies = of_kind(
        render(
            {"otel": {"enabled": True, "endpoint": endpoint}, "networkPolicy": {"otelPort": given}}
        ),
        "NetworkPolicy",
    )
    ports = {
        each["port"]
        for rule in policies["trial-stanine-result-watcher"]["spec"]["egress"]
        for each in rule["ports"]
    }
    assert ports == {53, 6379, port}


def test_names_are_asked_for_at_the_ports_that_the_cluster_has_for_it() -> None:
    policies = of_kind(render({"networkPolicy": {"dnsPorts": [5353]}}), "NetworkPolicy")
    for name in ("api", "operator", "smoke-test", "uninstall"):
        rules = policies[f"trial-stanine-{name}"]["spec"]["egress"]
        assert admits(rules, "to", None, 5353, "UDP")
        assert not admits(rules, "to", None, 53, "UDP")
