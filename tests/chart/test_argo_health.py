"""Argo CD's health check, as docs/howto/use-argocd.md has it, on statuses that the operator has written.

tests/integration/operator/test_recorded_statuses.py verifies the recorded statuses.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import CHART, ROOT
from tests.conftest import need

STATUSES = Path(__file__).parent / "statuses"
PAGE = (ROOT / "docs/howto/use-argocd.md").read_text()

Object = dict[str, Any]
Health = tuple[str, str]


def checks() -> dict[str, str]:
    """Return the scripts of the page's ConfigMap by kind."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    data = yaml.safe_load(text)["data"]
    return {
        name.removeprefix("resource.customizations.health.stanine.dev_"): script
        for name, script in data.items()
    }


@pytest.fixture
def health() -> Callable[[Object], Health]:
    """Evaluate an object as Argo CD does: a new Lua 5.1 state with only `obj`."""
    try:
        from lupa import lua51  # noqa: PLC0415 - an optional part of the machine
    except ImportError:
        need("lupa", found=False)

    def judge(each: Object) -> Health:
        runtime = lua51.LuaRuntime(register_eval=False, register_builtins=False)
        runtime.globals().obj = runtime.table_from(each, recursive=True)
        for library in ("os", "io", "package", "debug"):
            runtime.globals()[library] = None  # Argo CD opens no libraries
        found = runtime.execute(checks()[each["kind"]])
        return found.status, found.message

    return judge


def recorded(name: str) -> Object:
    found: Object = yaml.safe_load((STATUSES / f"{name}.yaml").read_text())
    return found


#: A recorded status, its health, and a part of the message.
HEALTH = [
    ("redis-config-new", "Progressing", "has not looked at this generation"),
    ("redis-config-ready", "Healthy", ""),
    ("redis-config-away", "Progressing", "ConnectionRefused: "),
    ("redis-config-lost", "Degraded", "ConnectionRefused: "),
    ("redis-config-held", "Suspended", "stanine.dev/paused"),
    ("queue-ready", "Healthy", ""),
    ("queue-paused", "Suspended", ""),
    ("queue-no-redis-config", "Progressing", "RedisConfigNotFound: "),
    ("instrument-indexing", "Progressing", "Indexing: Revision 1 waits for the indexWatcher."),
    ("instrument-invalid", "Degraded", "InvalidDocument: "),
]


@pytest.mark.parametrize(("name", "status", "message"), HEALTH)
def test_a_recorded_status_has_its_health(
    health: Callable[[Object], Health], name: str, status: str, message: str
) -> None:
    found, said = health(recorded(name))
    assert found == status, said
    assert message in said


def test_every_recorded_status_is_covered() -> None:
    assert {name for name, _, _ in HEALTH} == {path.stem for path in STATUSES.glob("*.yaml")}


@pytest.mark.parametrize("name", sorted(path.stem for path in STATUSES.glob("*.yaml")))
def test_an_unobserved_generation_is_progressing(
    health: Callable[[Object], Health], name: str
) -> None:
    each = recorded(name)
    each["metadata"]["generation"] += 1
    assert health(each)[0] == ("Suspended" if name == "redis-config-held" else "Progressing")


@pytest.mark.parametrize(
    "status",
    [None, {}, {"conditions": []}, {"conditions": [{"type": "Bootstrapped", "status": "True"}]}],
)
def test_an_object_without_status_is_progressing(
    health: Callable[[Object], Health], status: Object | None
) -> None:
    for kind in checks():
        each: Object = {"kind": kind, "metadata": {"generation": 1}} | (
            {} if status is None else {"status": status}
        )
        assert health(each)[0] == "Progressing"


def test_the_page_has_a_check_for_every_kind_of_the_chart() -> None:
    kinds = {
        yaml.safe_load(path.read_text())["spec"]["names"]["kind"]
        for path in (CHART / "crds").glob("*.yaml")
    }
    assert set(checks()) == kinds
