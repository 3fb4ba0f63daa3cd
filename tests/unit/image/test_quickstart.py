"""The quick start: compose.yaml builds a stage of the Dockerfile, and the image that is built unless a stage is named is another."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
STAGES = re.findall(
    r"^FROM \S+(?: AS (\S+))?$(.*?)(?=^FROM |\Z)",
    (ROOT / "Dockerfile").read_text(),
    re.MULTILINE | re.DOTALL,
)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_compose_builds_the_stage_that_starts_everything_and_reaches_its_port() -> None:
    service = COMPOSE["services"]["stanine"]
    stage = dict(STAGES)[service["build"]["target"]]
    assert 'CMD ["cli", "up", "--host", "0.0.0.0", "--data", "/data"]' in stage
    assert re.search(r"^USER 10001:10001$", stage, re.MULTILINE)
    assert service["ports"] == ["127.0.0.1:8420:8420"]
    assert "EXPOSE 8420" in stage
    assert [mount.split(":")[1] for mount in service["volumes"]] == ["/data"]


def test_the_image_without_a_named_stage_is_the_one_for_kubernetes() -> None:
    name, last = STAGES[-1]
    assert name == ""
    assert "CMD" not in last
    assert "embedded" not in last


def test_what_the_stages_copy_is_in_the_build_context() -> None:
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for _, text in STAGES:
        for words in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
            assert {word.split("/")[0] for word in words.split()} <= let_in


def test_the_pins_of_the_quick_start_are_those_of_the_tests() -> None:
    development = (ROOT / "requirements-dev.txt").read_text()
    pins = "".join(
        line
        for line in (ROOT / "requirements-quickstart.txt").read_text().splitlines(keepends=True)
        if not line.startswith("#")
    )
    for pin in re.findall(r"^\S+==.*?(?=^\S|\Z)", pins, re.MULTILINE | re.DOTALL):
        assert pin.rstrip() in development
