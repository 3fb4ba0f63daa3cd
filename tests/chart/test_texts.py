"""`--set` parses texts of digits as numbers.

Every text value accepts them with the same meaning.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.judging import judge
from tests.chart.rendering import (
    CHART,
    CI_FILES,
    KUBERNETES,
    RefusedError,
    of_kind,
    pod_specs,
    render,
    render_text,
)

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
SAMPLES = (9, 123456, 1073741824)
#: Global names must begin with a letter; with existing Secrets two renderings are equal.
SECRETS = {"valkey": {"auth": {"existingSecret": 9}}, "api": {"keys": {"existingSecret": 9}}}
#: Further values that some of the numbers require.
BESIDE = {
    "redisConfig": {"spec": {"connection": {"sentinel": {"nodes": [{"host": "a"}]}}}},
    "queues": {"index": {"purge": {"part": "Dead"}}},
}
LEFT_OUT = {("fullnameOverride",)}

Values = dict[str, Any]


def numbers(schema: Values, path: tuple[str, ...] = ()) -> Any:
    """Return values with a number at every place that accepts one for a text.

    None if there are none.
    """
    if (
        isinstance(schema.get("type"), list)
        and {"string", "integer"} <= set(schema["type"])
        and path not in LEFT_OUT
    ):
        pattern = re.compile(schema.get("pattern", ""))
        return next(
            number
            for number in SAMPLES
            if pattern.search(str(number)) and len(str(number)) >= schema.get("minLength", 0)
        )
    found = {
        name: inner
        for name, each in schema.get("properties", {}).items()
        if (inner := numbers(each, (*path, name))) is not None
    }
    within = schema.get("additionalProperties")
    if isinstance(within, dict) and (inner := numbers(within, (*path, "*"))) is not None:
        found["index" if path == ("queues",) else "some"] = inner
    items = schema.get("items", {})
    if (
        items
        and path[:1] != ("redisConfig",)
        and not items.get("required")
        and (inner := numbers(items, (*path, "*"))) is not None
    ):
        return [inner]
    return found or None


def merged(first: Values, second: Values) -> Values:
    both = dict(first)
    for name, value in second.items():
        both[name] = (
            merged(both[name], value)
            if isinstance(value, dict) and isinstance(both.get(name), dict)
            else value
        )
    return both


def as_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: as_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_texts(inner) for inner in value]
    return str(value)


def count(value: Any) -> int:
    return (
        sum(map(count, value.values()))
        if isinstance(value, dict)
        else sum(map(count, value))
        if isinstance(value, list)
        else 1
    )


@pytest.mark.parametrize(
    "file",
    [file for file in CI_FILES if "default" not in file.name],
    ids=lambda file: file.name.removesuffix("-values.yaml"),
)
def test_numbers_are_accepted_for_every_text(file: Path) -> None:
    given = merged(merged(numbers(SCHEMA), SECRETS), BESIDE)
    assert count(given) > 100
    for component in ("api", "pages"):  # Kubernetes allows two names there, and quantities
        del given[component]["httpRoute"]["timeouts"]
    base = yaml.safe_load(file.read_text())
    if not base.get("valkey", {}).get("enabled", True) and not base["externalRedis"].get("host"):
        del given["externalRedis"]["host"]  # the sentinels determine the address
    elif base.get("valkey", {}).get("enabled", True):
        del given["externalRedis"]["host"]
    as_numbers = render_text(json.dumps(merged(base, given)))
    assert as_numbers == render_text(json.dumps(merged(base, as_texts(given))))
    for each in yaml.safe_load_all(as_numbers):
        judge(each)


@pytest.mark.parametrize(
    "setting",
    [
        "valkey.image.tag=9",
        "image.tag=20261129060000",
        "keyNamespace=7",
        "valkey.maxMemory=134217728",
        "valkey.persistence.size=8589934592",
        "valkey.persistence.storageClassName=1",
        "pods.podAnnotations.port=9090",
        "pods.podAnnotations.sidecar\\.istio\\.io/inject=false",
        "pods.nodeSelector.pool=3",
        "api.extraEnv.PORT=8080",
        "api.args={1,2}",
        "commonLabels.cost-centre=4711",
        "valkey.config.hz=20",
        "redisConfig.spec.server[0].name=hz,redisConfig.spec.server[0].value=20",
        "queues.results.purge.token=5,queues.results.purge.part=Dead",
        "monitoring.rules.enabled=true,monitoring.rules.alertLabels.team=12",
        "otel.enabled=true,otel.samplerArgument=1",
    ],
)
def test_set_and_set_string_are_the_same(helm: str, setting: str) -> None:
    secrets = "valkey.auth.existingSecret=1,api.keys.existingSecret=2"
    command = [helm, "template", "trial", str(CHART), "--kube-version", KUBERNETES]
    flags = {part.partition("=")[0] for part in setting.split(",") if part.endswith("=true")}
    truths = [option for flag in flags for option in ("--set", f"{flag}=true")]
    rest = re.sub(r"[^,]*=true,?", "", setting)
    done = [
        subprocess.run(
            [*command, *truths, option, rest, option, secrets],
            capture_output=True,
            text=True,
            check=False,
        )
        for option in ("--set", "--set-string")
    ]
    assert [each.stderr for each in done] == ["", ""]
    assert done[0].stdout == done[1].stdout
    assert len(done[0].stdout) > 10_000


def test_an_ambiguous_number_is_rejected() -> None:
    # 1.20 is parsed as 1.2, and large numbers are rounded: another image would run unnoticed
    for tag in (1.2, 2**53 + 2, True):
        with pytest.raises(RefusedError, match="/valkey/image/tag"):
            render({"valkey": {"image": {"tag": tag}}})
    with pytest.raises(RefusedError, match="/api/podDisruptionBudget/maxUnavailable"):
        render({"api": {"podDisruptionBudget": {"maxUnavailable": "1"}}})


def test_every_template_converts_texts_first() -> None:
    files = [
        path
        for path in (CHART / "templates").rglob("*")
        if path.is_file() and not path.name.startswith("_")
    ]
    assert len(files) > 20
    for path in files:
        assert path.read_text().startswith('{{- include "stanine.texts" . -}}\n'), path.name


def test_a_digest_reaches_every_container_of_every_pod() -> None:
    ours, servers = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    objects = render(
        {"image": {"digest": ours}, "valkey": {"image": {"digest": servers, "tag": 9}}}
    )
    seen = {
        (name.startswith("StatefulSet"), container["image"])
        for name, pod in pod_specs(objects).items()
        for container in [*pod["containers"], *pod.get("initContainers", [])]
    }
    assert seen == {(False, f"stanine@{ours}"), (True, f"valkey/valkey@{servers}")}
    assert of_kind(objects, "Job")
