"""The job that takes backups: its containers, its volume, its rights and connections."""

from typing import Any

import pytest
from tests.chart.rendering import Object, RefusedError, of_kind, render
from tests.chart.test_network import admits, labels

NAME = "trial-stanine-backup"


def job(**values: Any) -> tuple[Object, Object]:
    """Return the CronJob's spec and its pod's."""
    objects = render({"backup": {"enabled": True, **values}})
    spec = of_kind(objects, "CronJob")[NAME]["spec"]
    return spec, spec["jobTemplate"]["spec"]["template"]["spec"]


def test_nothing_is_created_unless_backups_are_enabled() -> None:
    objects = render()
    assert NAME not in of_kind(
        objects, "CronJob", "PersistentVolumeClaim", "ServiceAccount", "NetworkPolicy"
    )
    rules = of_kind(render({"monitoring": {"rules": {"enabled": True}}}), "PrometheusRule")
    assert "StanineBackupOld" not in str(rules)


def test_a_run_takes_verifies_and_ends_and_no_two_overlap() -> None:
    spec, pod = job(schedule="5 4 * * *", keep=3)
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("5 4 * * *", "Forbid")
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 7200
    (take,) = pod["initContainers"]
    server, verify = pod["containers"]
    assert take["args"][:4] == ["cli", "backup", "/backups", "--step=take"]
    assert verify["args"][3] == "--step=verify"
    assert take["args"][4] == verify["args"][4]
    assert verify["args"][-1] == "--keep=3"
    assert server["args"] == ["/backups/incoming/server.conf"]
    assert server["image"] == "valkey/valkey:9.1"
    assert "env" not in server
    assert not any(mount["name"] == "redis-login" for mount in server["volumeMounts"])


def test_the_pod_has_the_password_of_the_backup_user_and_no_token() -> None:
    _, pod = job()
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == NAME
    (login,) = [volume for volume in pod["volumes"] if volume["name"] == "redis-login"]
    assert [each["key"] for each in login["projected"]["sources"][0]["secret"]["items"]] == [
        "backup-username",
        "backup-password",
    ]


@pytest.mark.parametrize("existing", ["", "archive"])
def test_the_backups_are_on_a_claim_that_outlives_the_release(existing: str) -> None:
    objects = render({"backup": {"enabled": True, "persistence": {"existingClaim": existing}}})
    claims = of_kind(objects, "PersistentVolumeClaim")
    _, pod = job(persistence={"existingClaim": existing})
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "backups"]
    assert volume["persistentVolumeClaim"] == {"claimName": existing or NAME}
    if existing:
        assert claims == {}
    else:
        assert claims[NAME]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_erasure_journal_is_copied_every_minute() -> None:
    objects = render({"backup": {"enabled": True}})
    spec = of_kind(objects, "CronJob")["trial-stanine-erasures"]["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    assert (spec["schedule"], spec["concurrencyPolicy"]) == ("* * * * *", "Forbid")
    (copy,) = pod["containers"]
    assert copy["args"] == ["cli", "backup", "/backups", "--step=journal"]
    assert pod["automountServiceAccountToken"] is False
    found = spec["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert labels("backup").items() <= found.items(), "the policy of the backups applies"


RESTORING = {
    "restore": {"enabled": True},
    "backup": {"persistence": {"existingClaim": "archive"}},
    "valkey": {"persistence": {"existingClaim": "fresh"}},
}


def test_a_restore_is_a_hook_that_runs_before_anything_as_the_server_and_without_connections() -> (
    None
):
    objects = render(RESTORING)
    job = of_kind(objects, "Job")["trial-stanine-restore"]
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install"
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["supplementalGroups"]) == (
        999,
        [10001],
    )
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"backups": "archive", "data": "fresh"}
    prepare, (server, finish) = pod["initContainers"][0], pod["containers"]
    assert prepare["args"][:5] == [
        "cli",
        "restore",
        "/backups",
        "--to=/data",
        "--erasures=/backups/erasures.ndjson",
    ]
    assert (prepare["args"][-1], finish["args"][-1]) == ("--step=prepare", "--step=finish")
    assert server["args"] == ["/data/restoring/server.conf"]
    policy = of_kind(objects, "NetworkPolicy")["trial-stanine-restore"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not policy.keys() & {"ingress", "egress"}


@pytest.mark.parametrize("missing", ["backup", "valkey"])
def test_a_restore_without_its_claims_is_refused(missing: str) -> None:
    with pytest.raises(RefusedError, match=f"needs {missing}.persistence.existingClaim"):
        render({name: value for name, value in RESTORING.items() if name != missing})


def test_the_image_of_the_throw_away_server_can_be_chosen() -> None:
    _, pod = job(image={"repository": "redis", "tag": "8.2"})
    assert pod["containers"][0]["image"] == "redis:8.2"


def test_the_job_reaches_the_server_and_nothing_reaches_the_job() -> None:
    policies = of_kind(render({"backup": {"enabled": True}}), "NetworkPolicy")
    own = policies[NAME]["spec"]
    assert own["podSelector"]["matchLabels"] == labels("backup")
    assert "ingress" not in own
    assert admits(own["egress"], "to", "valkey", 6379)
    assert not admits(own["egress"], "to", "api", 8000)
    assert admits(policies["trial-stanine-valkey"]["spec"]["ingress"], "from", "backup", 6379)
