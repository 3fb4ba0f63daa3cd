"""Watchers apply changed settings while running."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.watchers.test_processes import ready, submit
from tests.integration.whole.invariants import Records
from tests.integration.whole.services import Services, eventually

from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.snapshot import SettingsLayout


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path)
    yield made
    made.stop()


def test_batches_sweeps_and_logs_follow_the_settings_in_either_layout(services: Services) -> None:
    services.start("valkey", "index-watcher", "result-watcher")
    records = Records(services.redis_url, services.namespace)
    eventually(lambda: ready(services, "index-watcher") and ready(services, "result-watcher"), 30)
    configuration = Configuration(records.client, load_library(), records.keys)

    def metric(name: str) -> float:
        found = re.search(
            rf"^{name} ([0-9.e+]+)$",
            services.health("result-watcher", "/metrics").text,
            re.MULTILINE,
        )
        assert found is not None, name
        return float(found[1])

    def logged(count: int) -> None:
        eventually(lambda: services.log("result-watcher").count("settings.changed") == count, 4)

    configuration.apply({"batchMaxAttempts": 10, "sweepSeconds": 1, "logLevel": "Debug"})
    logged(1)
    sweeps = metric("stanine_sweeps_total")
    submit(records, services.redis_url, 200)
    eventually(lambda: records.sweep.committed() == 200, 30)
    eventually(lambda: metric("stanine_score_batch_attempts_sum") == 200, 5)
    assert (
        metric(r'stanine_score_batch_attempts_bucket\{le="16.0"\}')
        == metric("stanine_score_batch_attempts_count")
        >= 20
    )
    assert "attempts.scored" in services.log("result-watcher")
    eventually(lambda: metric("stanine_sweeps_total") >= sweeps + 2, 6)

    configuration.migrate(SettingsLayout.STRING)
    configuration.apply({"sweepSeconds": 3600, "logLevel": "Error"})
    logged(2)
    sweeps, lines = metric("stanine_sweeps_total"), services.log("result-watcher")
    time.sleep(3)
    assert metric("stanine_sweeps_total") == sweeps
    assert services.log("result-watcher") == lines
