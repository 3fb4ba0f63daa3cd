"""RBAC rights of each service account, verb by verb."""

from typing import Any

from tests.chart.rendering import NAMESPACE, Object, of_kind, render

#: As (group, resource, verb).
Rights = set[tuple[str, str, str]]
KINDS = ("redisconfigs", "queues", "instruments")

OPERATOR: Rights = (
    {("stanine.dev", kind, verb) for kind in KINDS for verb in ("get", "list", "watch", "patch")}
    | {("stanine.dev", f"{kind}/status", "patch") for kind in KINDS}
    | {
        ("", "secrets", "get"),
        ("", "events", "create"),
        ("", "events", "patch"),
        ("", "namespaces", "get"),
    }
    | {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "list", "patch")}
)
UNINSTALL: Rights = {
    ("stanine.dev", kind, verb) for kind in KINDS for verb in ("get", "list", "patch", "delete")
} | {
    ("apps", "deployments/scale", "patch"),
    ("", "pods", "list"),
    ("coordination.k8s.io", "leases", "delete"),
}


def rights(role: Object) -> Rights:
    rules: list[dict[str, Any]] = role["rules"]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def granted(objects: list[Object], account: str) -> dict[str, Rights]:
    """Return the rights of a service account: namespaced (Role) and cluster-wide (ClusterRole)."""
    found: dict[str, Rights] = {}
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding").values():
        if {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE} in binding[
            "subjects"
        ]:
            kind = binding["roleRef"]["kind"]
            found[kind] = found.get(kind, set()) | rights(
                of_kind(objects, kind)[binding["roleRef"]["name"]]
            )
    return found


def test_the_operators_rights_match_the_table() -> None:
    objects = render()
    assert granted(objects, "trial-stanine-operator") == {"Role": OPERATOR}
    assert granted(objects, "trial-stanine-uninstall") == {"Role": UNINSTALL}
    (scaling,) = [
        rule
        for rule in of_kind(objects, "Role")["trial-stanine-uninstall"]["rules"]
        if rule["apiGroups"] == ["apps"]
    ]
    assert scaling["resourceNames"] == ["trial-stanine-operator"]


def test_cluster_wide_rights_are_opt_in() -> None:
    objects = render({"operator": {"clusterWide": True}})
    assert granted(objects, "trial-stanine-operator") == {"ClusterRole": OPERATOR}
    everywhere = {
        ("stanine.dev", kind, verb) for kind in KINDS for verb in ("get", "list", "patch")
    }
    everywhere.add(("coordination.k8s.io", "leases", "list"))
    assert granted(objects, "trial-stanine-uninstall") == {
        "Role": UNINSTALL,
        "ClusterRole": everywhere,
    }
    operator = of_kind(objects, "Deployment")["trial-stanine-operator"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert "--all-namespaces" in operator["args"]


def test_other_service_accounts_have_no_rights() -> None:
    objects = render()
    for account in of_kind(objects, "ServiceAccount"):
        if account not in ("trial-stanine-operator", "trial-stanine-uninstall"):
            assert granted(objects, account) == {}


def test_cluster_roles_aggregate_the_custom_resources() -> None:
    added = {
        name.removeprefix("people:trial-stanine-"): (
            [
                label.removeprefix("rbac.authorization.k8s.io/aggregate-to-")
                for label in role["metadata"]["labels"]
                if "aggregate-to" in label
            ],
            {resource for _, resource, verb in rights(role) if verb == "delete"},
            {resource for _, resource, verb in rights(role) if verb == "get"},
        )
        for name, role in of_kind(render(), "ClusterRole").items()
    }
    assert added == {
        "admin": (["admin"], set(KINDS), set(KINDS)),
        "editor": (["edit"], {"queues", "instruments"}, set(KINDS)),
        "viewer": (["view"], set(), set(KINDS)),
    }
    assert not of_kind(render({"rbac": {"aggregate": False}}), "ClusterRole")


def test_roles_are_omitted_if_rbac_is_disabled() -> None:
    kinds = {each["kind"] for each in render({"rbac": {"create": False, "aggregate": False}})}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
