"""Packaged charts use the image of the release and have correct metadata."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.judging import judge
from tests.chart.rendering import CHART, KUBERNETES, ROOT, pod_specs

REPOSITORY, DIGEST = "ghcr.io/somebody/stanine", f"sha256:{'ab' * 32}"
CHARTS = (CHART, ROOT / "charts/stanine-crds")


def described(chart: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text())
    return found


VERSION = described(CHART)["version"]


def package(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(ROOT / "charts/package.sh"), *arguments], capture_output=True, text=True, check=False
    )


def test_a_packaged_chart_runs_the_releases_image_and_a_tag_still_replaces_it(
    tmp_path: Path, helm: str
) -> None:
    done = package(VERSION, REPOSITORY, DIGEST, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        f"stanine-{VERSION}.tgz",
        f"stanine-crds-{VERSION}.tgz",
    }
    for options, tag in (([], VERSION), (["--set", "image.tag=7"], "7")):
        command = [
            helm,
            "template",
            "trial",
            str(tmp_path / f"stanine-{VERSION}.tgz"),
            "--kube-version",
            KUBERNETES,
            *options,
        ]
        objects = list(
            yaml.safe_load_all(
                subprocess.run(command, capture_output=True, text=True, check=True).stdout
            )
        )
        images = {
            container["image"]
            for pod in pod_specs(objects).values()
            for container in pod["containers"]
        }
        assert images == {f"{REPOSITORY}:{tag}", "valkey/valkey:9.1"}
    with tarfile.open(tmp_path / f"stanine-{VERSION}.tgz") as archive:
        chart = yaml.safe_load(archive.extractfile("stanine/Chart.yaml").read())  # type: ignore[union-attr]
        assert not [name for name in archive.getnames() if "/ci/" in name]
    assert f"{REPOSITORY}:{VERSION}@{DIGEST}" in {
        each["image"] for each in yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    }
    assert REPOSITORY not in (CHART / "values.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("9.9.9", REPOSITORY, DIGEST), "pyproject.toml has another version than 9.9.9"),
        ((VERSION, "ghcr.io/Some Body", DIGEST), "the repository is to be in small letters"),
        ((VERSION, REPOSITORY, "latest"), "the digest is to be sha256:"),
    ],
)
def test_invalid_releases_are_rejected(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = package(*arguments, str(tmp_path / "out"))
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_all_files_have_the_same_version() -> None:
    (version,) = re.findall(
        r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    for chart in CHARTS:
        assert (described(chart)["version"], described(chart)["appVersion"]) == (version, version)


def test_artifact_hub_annotations_are_correct() -> None:
    for chart in CHARTS:
        annotations = described(chart)["annotations"]
        assert all(isinstance(value, str) for value in annotations.values())
        assert annotations["artifacthub.io/license"] == "Apache-2.0"
    told = {
        name.partition("/")[2]: yaml.safe_load(text)
        for name, text in described(CHART)["annotations"].items()
    }
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    valkey = values["valkey"]["image"]
    images = {each["name"]: each["image"] for each in told["images"]}
    assert images == {
        "stanine": f"{values['image']['repository']}:{VERSION}",
        "valkey": f"{valkey['repository']}:{valkey['tag']}",
    }

    definitions = [yaml.safe_load(path.read_text()) for path in (CHART / "crds").glob("*.yaml")]
    there = {
        (
            each["spec"]["names"]["kind"],
            each["spec"]["versions"][0]["name"],
            each["metadata"]["name"],
        )
        for each in definitions
    }
    assert {(each["kind"], each["version"], each["name"]) for each in told["crds"]} == there
    assert all(each["displayName"] and each["description"] for each in told["crds"])
    assert {each["kind"] for each in told["crdsExamples"]} == {kind for kind, _, _ in there}
    for each in told["crdsExamples"]:
        judge(each)


def test_stanines_validator_accepts_the_examples(tmp_path: Path) -> None:
    examples = tmp_path / "examples.yaml"
    examples.write_text(
        yaml.safe_dump_all(
            yaml.safe_load(described(CHART)["annotations"]["artifacthub.io/crdsExamples"]),
            sort_keys=False,
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "stanine.cli.main", "validate", str(examples)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
