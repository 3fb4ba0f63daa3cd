"""The operator killed before and after each change in Redis of one reconciliation.

Services always read complete settings, and the next reconciliation completes the change.
"""

import json
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis.client
from tests.conftest import Server
from tests.integration.failpoints import Doom, Step, steps_of
from tests.integration.operator.redis_configs.stage import Config, Stage, server

from stanine.store.keys import Keys
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings

STRING = "stanine:config"
#: Read-only steps: dying around them equals dying before the next change.
LOOKS = {
    "PING",
    "INFO",
    "CONFIG GET",
    "FUNCTION LIST",
    "ZRANGE",
    "HGETALL",
    "MEMORY USAGE",
    "HELLO",
    "CLIENT",
    "SELECT",
    "see",
}
OLDER = json.dumps({"sweepSeconds": 9, **{f"theirs.{n}": n for n in range(50)}}).encode()

BEFORE: dict[str, Any] = {"settings": {"sweepSeconds": 1}, "server": server(timeout="1")}
#: Specs before and after, by the change between them.
CHANGES: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "from an older string": (
        None,
        {"settings": {"sweepSeconds": 2}, "server": server(timeout="2", hz="20")},
    ),
    "to both layouts": (BEFORE, BEFORE | {"compatibility": "DualWrite"}),
    "from both layouts": (
        BEFORE | {"compatibility": "DualWrite"},
        BEFORE | {"compatibility": None},
    ),
    "from hash to string": (BEFORE, {"layout": "String", "settings": {"sweepSeconds": 2}}),
    "from string to hash": (
        BEFORE | {"layout": "String"},
        {"layout": "Hash", "settings": {"sweepSeconds": 2}},
    ),
    "back to a revision": (
        BEFORE,
        {"rollbackTo": 1, "settings": {"sweepSeconds": 3}, "compatibility": "DualWrite"},
    ),
    "no longer held": (BEFORE, {"settings": None, "layout": "String"}),
}


@dataclass
class Scene:
    """A server that is reset to the same state repeatedly."""

    stage: Stage
    change: str

    def prepare(self) -> Config:
        """Return the changed resource before its reconciliation."""
        self.stage.client.flushall()
        self.stage.client.function_flush()
        self.stage.client.config_set("timeout", 0)
        self.stage.client_of_bytes.set(STRING, OLDER)
        before, after = CHANGES[self.change]
        config = self.stage.config()
        if before is not None:
            config.apply(**before).reconcile()
        if "rollbackTo" in after:
            config.apply(settings={"sweepSeconds": 2}).reconcile()
        return config.apply(**after)

    def state(self) -> tuple[Any, ...]:
        """Return the state that a change affects, without timestamps."""
        configuration = Configuration(self.stage.client_of_bytes, load_library(), Keys("stanine"))
        stored = configuration.read()
        history = [
            (each.number, each.values, each.origin, each.of) for each in configuration.history()
        ]
        held = stored.managed_by is not None
        return (
            stored.layout, stored.values, stored.meta.dual, stored.edited, stored.string, stored.revision, history, held,
            self.stage.client_of_bytes.get(STRING), self.stage.parameter("timeout"), self.stage.parameter("hz"),
        )  # fmt: skip

    def followed(self) -> int:
        """Return a setting as the services read it now."""
        return load_settings(
            self.stage.client_of_bytes, Keys("stanine"), SettingsRead()
        ).settings.sweep_seconds


def step_of(_client: Any, *words: Any, **_options: Any) -> str | None:
    name = str(words[0])
    step = str(words[1]).rpartition("_")[0] if name == "FCALL" else name
    return None if step in LOOKS else step


def reconcile_in_steps(config: Config, doom: Doom) -> None:
    """Reconcile like another process of the operator, with every change in Redis as a step."""
    client: Any = redis.client.Redis
    untouched = client.execute_command
    client.execute_command = doom.wrap(step_of, untouched)
    try:
        fresh = Stage(config.stage.port, resource_cache=config.stage.resource_cache)
        Config(fresh, config.resource).reconcile()
        fresh.close()
    finally:
        client.execute_command = untouched


def die_at(step: Step, config: Config) -> int | None:
    """Reconcile in a process that dies at a step; return its exit."""
    process = multiprocessing.get_context("fork").Process(
        target=reconcile_in_steps, args=(config, Doom(step))
    )
    process.start()
    process.join(30)
    return process.exitcode


@pytest.mark.parametrize("change", CHANGES)
def test_reconciliation_after_a_kill_at_any_step_reaches_the_same_state(
    change: str, own_server: Callable[..., Server], stages: Callable[[Server], Stage]
) -> None:
    scene = Scene(stages(own_server("--appendfsync", "no")), change)
    config = scene.prepare()
    read_before = scene.followed()
    counting = Doom(None)
    reconcile_in_steps(config, counting)
    config.delete()
    wanted, read_after = scene.state(), scene.followed()
    steps = steps_of(counting.calls, most=10)
    assert len(steps) >= 4, steps
    for step in steps:
        config = scene.prepare()
        assert die_at(step, config) == -signal.SIGKILL, step
        assert scene.followed() in (read_before, read_after), step
        config.reconcile()
        assert scene.state() == wanted, step
        assert config.condition("Ready")[0] == "True", step
        config.reconcile()
        assert scene.state() == wanted, step
        config.delete()
