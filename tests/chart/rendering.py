"""Render the chart with Helm, without a cluster. Used by all tests of the chart."""

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/stanine"
#: Values files of chart tests, one per kind of installation.
CI_FILES = sorted((CHART / "ci").glob("*-values.yaml"))
#: Kubernetes version of the rendering.
KUBERNETES = "1.34.0"
RELEASE, NAMESPACE = "trial", "people"

Object = dict[str, Any]


class RefusedError(Exception):
    """Helm failed to render; the message is Helm's."""


def helm_found(helm: str = "helm") -> bool:
    return shutil.which(helm) is not None


def render(
    values: Mapping[str, Any] | Path | None = None,
    *,
    helm: str = "helm",
    release: str = RELEASE,
    namespace: str = NAMESPACE,
) -> list[Object]:
    """Return the objects of a release, including hooks."""
    text = values.read_text() if isinstance(values, Path) else json.dumps(dict(values or {}))
    return list(yaml.safe_load_all(render_text(text, helm, release, namespace)))


@functools.cache
def render_text(
    values: str, helm: str = "helm", release: str = RELEASE, namespace: str = NAMESPACE
) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        command = [
            helm,
            "template",
            release,
            str(CHART),
            "-n",
            namespace,
            "--kube-version",
            KUBERNETES,
            "-f",
            file.name,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def of_kind(objects: Iterable[Object], *kinds: str) -> dict[str, Object]:
    """Return objects of some kinds by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] in kinds}


def component(each: Object) -> str:
    return str(each["metadata"]["labels"]["app.kubernetes.io/component"])


def pod_specs(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the spec of every pod by `Kind/name`."""
    found = {}
    for each in objects:
        if each["kind"] == "Pod":
            spec = each["spec"]
        elif each["kind"] in ("Deployment", "StatefulSet", "Job"):
            spec = each["spec"]["template"]["spec"]
        elif each["kind"] == "CronJob":
            spec = each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        else:
            continue
        found[f"{each['kind']}/{each['metadata']['name']}"] = spec
    return found


def environment(pod: Object) -> dict[str, Any]:
    """Return the variables of a pod's only container: text or source."""
    (container,) = pod["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def secret_texts(objects: Iterable[Object]) -> dict[str, dict[str, str]]:
    return {name: each["stringData"] for name, each in of_kind(objects, "Secret").items()}
