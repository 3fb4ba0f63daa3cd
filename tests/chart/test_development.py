"""skaffold.yaml, tests/cluster/kind.yaml and the workflows refer to existing names.

skaffold, kind and GitHub are often unavailable. Members of skaffold.yaml are compared with an excerpt of the published
schema (v4beta13); each profile's values are rendered with the chart, whose schema rejects unknown values. If skaffold
is installed, it parses the file.
"""

import copy
import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import ROOT, of_kind, render
from tests.conftest import need

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
PROFILES = {profile["name"]: profile for profile in SKAFFOLD["profiles"]}
#: Members per part: path pattern -> names.
MEMBERS = {
    "": {"apiVersion", "kind", "metadata", "build", "deploy", "portForward", "verify", "profiles", "test", "requires", "manifests"},
    "build": {"tagPolicy", "artifacts", "local", "platforms", "insecureRegistries", "cluster", "googleCloudBuild"},
    "build.artifacts[]": {"image", "context", "docker", "sync", "hooks", "platforms", "requires"},
    "build.artifacts[].hooks": {"before", "after"},
    "build.artifacts[].hooks.before[]": {"command", "os", "dir"},
    "build.artifacts[].docker": {"dockerfile", "target", "buildArgs", "network", "cacheFrom", "cliFlags", "noCache", "secrets", "ssh"},
    "build.artifacts[].sync": {"manual", "infer", "auto", "hooks"},
    "build.artifacts[].sync.manual[]": {"src", "dest", "strip"},
    "build.local": {"push", "useBuildkit", "useDockerCLI", "tryImportMissing", "concurrency"},
    "deploy": {"helm", "kubectl", "kubeContext", "statusCheck", "statusCheckDeadlineSeconds", "tolerateFailuresUntilDeadline", "logs"},
    "deploy.helm": {"releases", "flags", "hooks", "concurrency"},
    "deploy.helm.flags": {"global", "install", "upgrade", "depBuild", "template"},
    "deploy.helm.hooks": {"before", "after"},
    "deploy.helm.hooks.before[]": {"host", "container"},
    "deploy.helm.hooks.before[].host": {"command", "os", "dir"},
    "deploy.helm.hooks.after[]": {"host", "container"},
    "deploy.helm.hooks.after[].host": {"command", "os", "dir"},
    "deploy.helm.releases[]": {
        "name", "chartPath", "namespace", "createNamespace", "setValues", "setValueTemplates", "overrides", "valuesFiles", "wait",
        "version",
    },
    "portForward[]": {"resourceType", "resourceName", "namespace", "port", "address", "localPort"},
    "verify[]": {"name", "timeout", "container", "executionMode"},
    "verify[].container": {"name", "image", "command", "args", "env"},
    "verify[].container.env[]": {"name", "value"},
    "verify[].executionMode": {"local", "kubernetesCluster"},
    "verify[].executionMode.kubernetesCluster": {"jobManifestPath", "overrides"},
    "profiles[]": {"name", "activation", "requiresAllActivations", "patches", "build", "deploy", "portForward", "verify", "test"},
    "profiles[].activation[]": {"command", "env", "kubeContext"},
    "profiles[].patches[]": {"op", "path", "value", "from"},
}  # fmt: skip


def misplaced(value: Any, place: str = "") -> list[str]:
    """Return the places of members that the schema lacks."""
    if isinstance(value, list):
        return [each for item in value for each in misplaced(item, f"{place}[]")]
    if not isinstance(value, dict) or place not in MEMBERS:
        return []
    found = [f"{place}: {name}" for name in value.keys() - MEMBERS[place]]
    return found + [
        each
        for name, item in value.items()
        for each in misplaced(item, f"{place}.{name}".lstrip("."))
    ]


def with_profiles(*names: str) -> dict[str, Any]:
    """Return the configuration after the profiles' patches (RFC 6902: add, replace, remove)."""
    config = copy.deepcopy(SKAFFOLD)
    for name in names:
        for patch in PROFILES[name]["patches"]:
            *parents, last = patch["path"].strip("/").split("/")
            at: Any = config
            for step in parents:
                at = at[int(step)] if isinstance(at, list) else at[step]
            key: Any = int(last) if isinstance(at, list) else last
            if patch["op"] == "remove":
                del at[key]
            else:
                assert patch["op"] == "add" or key in at
                at[key] = copy.deepcopy(patch["value"])
    return config


def values_of(config: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the release: overrides, and --set with templates expanded."""
    (release,) = config["deploy"]["helm"]["releases"]
    values: dict[str, Any] = copy.deepcopy(release["overrides"])
    for path, template in release["setValueTemplates"].items():
        at = values
        *parents, last = path.split(".")
        for step in parents:
            at = at.setdefault(step, {})
        at[last] = (
            re.sub(r'{{(?:default "" )?\.(\w+)}}', r"filled-\1", template).lower().replace("_", "-")
        )
    return values


COMBINATIONS = [
    (),
    ("dev",),
    ("kind",),
    ("dev", "kind"),
    ("external-redis",),
    ("dev", "kind", "external-redis"),
]


@pytest.mark.parametrize("profiles", COMBINATIONS, ids="+".join)
def test_every_member_is_known_and_the_chart_accepts_the_values(
    profiles: tuple[str, ...], helm: str
) -> None:
    assert re.fullmatch(r"skaffold/v4beta\d+", SKAFFOLD["apiVersion"])
    config = with_profiles(*profiles)
    assert misplaced(config) == []
    objects = render(values_of(config), helm=helm, release="stanine", namespace="stanine")
    services = of_kind(objects, "Service")
    for forward in config["portForward"]:
        ports = [port["port"] for port in services[forward["resourceName"]]["spec"]["ports"]]
        assert forward["port"] in ports
    images = {
        each["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in of_kind(objects, "Deployment").values()
    }
    assert images == {"filled-image-repo-stanine:filled-image-tag-stanine"}


@pytest.mark.parametrize("profiles", COMBINATIONS, ids="+".join)
def test_skaffold_reads_the_file_as_these_tests_do(
    profiles: tuple[str, ...], tmp_path: Path
) -> None:
    need("skaffold", found=shutil.which("skaffold") is not None)
    settings = tmp_path / "settings"
    settings.write_text("global: {collect-metrics: false, update-check: false}")
    command = [
        "skaffold",
        "diagnose",
        "--yaml-only",
        "--config",
        str(settings),
        "--filename",
        str(ROOT / "skaffold.yaml"),
    ]
    # without a cluster; a cluster name could activate a profile
    environment = {
        **os.environ,
        "KUBECONFIG": str(tmp_path / "none"),
        "SKAFFOLD_UPDATE_CHECK": "false",
        "SKAFFOLD_INTERACTIVE": "false",
    }
    done = subprocess.run(
        [*command, "--profile", ",".join(profiles)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, wanted = yaml.safe_load(done.stdout), with_profiles(*profiles)
    for config in (told, wanted):
        (release,) = config["deploy"]["helm"]["releases"]
        release["chartPath"] = str((ROOT / release["chartPath"]).resolve())
        for forward in config["portForward"]:
            forward.setdefault("address", "127.0.0.1")
    assert told["deploy"]["helm"]["releases"] == wanted["deploy"]["helm"]["releases"]
    assert told["deploy"]["helm"]["hooks"] == wanted["deploy"]["helm"]["hooks"]
    assert told["portForward"] == wanted["portForward"]
    assert told["verify"] == wanted["verify"]
    for part in ("image", "docker", "sync", "hooks"):
        assert told["build"]["artifacts"][0].get(part) == wanted["build"]["artifacts"][0].get(part)


def test_an_unknown_skaffold_member_is_detected() -> None:
    config = with_profiles("dev")
    config["build"]["artifacts"][0]["dockr"] = {}
    config["deploy"]["helm"]["releases"][0]["artifactOverrides"] = {}
    assert misplaced(config) == [
        "build.artifacts[]: dockr",
        "deploy.helm.releases[]: artifactOverrides",
    ]


def test_synced_files_exist_and_have_the_path_of_the_image() -> None:
    artifact = with_profiles("dev")["build"]["artifacts"][0]
    landed = set()
    for rule in artifact["sync"]["manual"]:
        found = [path for path in ROOT.glob(rule["src"]) if path.is_file()]
        assert found, rule
        for path in found:
            landed.add(Path(rule["dest"]) / str(path.relative_to(ROOT)).removeprefix(rule["strip"]))
    assert {
        Path("/app/entry.py"),
        Path("/app/stanine/store/functions/attempts.lua"),
        Path("/app/stanine_operator/main.py"),
    } <= landed
    dockerfile = (ROOT / "Dockerfile").read_text()
    for argument in artifact["docker"]["buildArgs"]:
        assert f"ARG {argument}=" in dockerfile
    assert "reload.py" in re.search(r"^COPY (image/.*) /app/$", dockerfile, re.MULTILINE)[1]  # type: ignore[index]


def test_the_development_loop_reloads_every_stanine_process() -> None:
    objects = render(values_of(with_profiles("dev")), release="stanine", namespace="stanine")
    for name, each in of_kind(objects, "Deployment").items():
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["/opt/stanine/bin/python", "/app/reload.py"], name
        assert container["args"][0] == each["metadata"]["labels"]["app.kubernetes.io/component"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is False
        assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_files_changed_since_the_image_build_are_touched_after_a_deployment(
    tmp_path: Path,
) -> None:
    config = with_profiles("dev")
    (before,), (after,) = (
        config["build"]["artifacts"][0]["hooks"]["before"],
        config["deploy"]["helm"]["hooks"]["after"],
    )
    for place, suffix in (
        ("services", "py"),
        ("operator", "py"),
        ("image", "py"),
        ("services", "lua"),
        ("services", "html"),
    ):
        (tmp_path / place).mkdir(exist_ok=True)
        for name, minutes in (("built", 20), ("changed", 5)):
            file = tmp_path / place / f"{name}.{suffix}"
            file.touch()
            os.utime(file, (time.time() - 60 * minutes,) * 2)
    subprocess.run(before["command"], cwd=tmp_path, check=True)
    (marker,) = (tmp_path / ".stanine").iterdir()
    os.utime(marker, (time.time() - 600,) * 2)
    subprocess.run(after["host"]["command"], cwd=tmp_path, check=True)
    fresh = {
        file.name
        for file in tmp_path.rglob("*.*")
        if file.is_file() and file.stat().st_mtime > time.time() - 60
    }
    assert fresh == {"changed.py", "changed.lua", "changed.html"}


def test_verify_and_the_documentation_use_the_key_of_the_development_loop() -> None:
    (entry,) = SKAFFOLD["deploy"]["helm"]["releases"][0]["overrides"]["api"]["keys"]["entries"]
    (smoke,) = SKAFFOLD["verify"]
    environment = {each["name"]: each["value"] for each in smoke["container"]["env"]}
    assert hashlib.sha256(environment["STANINE_KEY"].encode()).hexdigest() == entry["sha256"]
    assert (
        f"STANINE_KEY={environment['STANINE_KEY']}"
        in (ROOT / "docs" / "howto" / "develop.md").read_text()
    )
    services = of_kind(
        render(values_of(with_profiles()), release="stanine", namespace="stanine"), "Service"
    )
    assert environment["STANINE_API_URL"] == "http://stanine-api.stanine.svc"
    assert services["stanine-api"]["metadata"]["namespace"] == "stanine"
    assert smoke["container"]["args"] == ["smoke"]


def test_the_hook_applies_the_definitions_to_the_cluster_that_is_deployed_to() -> None:
    ((hook,),) = [SKAFFOLD["deploy"]["helm"]["hooks"]["before"]]
    assert '--context "$SKAFFOLD_KUBE_CONTEXT"' in hook["host"]["command"][-1]
    (path,) = re.findall(r"-f (\S+)", hook["host"]["command"][-1])
    assert list((ROOT / path).glob("*.yaml"))


def test_the_kind_cluster_has_two_nodes_and_the_shared_name() -> None:
    kind = yaml.safe_load((ROOT / "tests" / "cluster" / "kind.yaml").read_text())
    assert [node["role"] for node in kind["nodes"]] == ["control-plane", "worker"]
    assert PROFILES["kind"]["activation"] == [{"kubeContext": f"kind-{kind['name']}"}]
    for file in (
        ROOT / "docs" / "howto" / "develop.md",
        ROOT / ".github" / "workflows" / "cluster.yaml",
    ):
        assert "tests/cluster/kind.yaml" in file.read_text()
        assert kind["name"] in file.read_text()


@pytest.mark.parametrize("name", ["checks", "cluster"])
def test_workflows_are_read_only_run_existing_targets_and_have_timeouts(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yaml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) == {
        "push",
        "pull_request",
        "workflow_call",
    }  # YAML 1.1 parses `on` as true; GitHub does not
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
    targets = set(re.findall(r"^([.\w/$()]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([\w./]+)$", text, re.MULTILINE):
        assert target in targets or target == ".venv/.ready"
