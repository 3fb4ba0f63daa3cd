"""Servers with scored attempts, and the command `stanine backup` as a process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.stores import Store, make_store
from tests.integration.watchers.assessing import attempt, publish, submit

from stanine.result_watcher.batch_scorer import BatchScorer

NAMESPACE = "test"


@dataclass
class Command:
    """Runs `stanine WORDS…`."""

    environment: dict[str, str]

    def __call__(
        self, *words: str | Path, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
        }
        return subprocess.run(
            [sys.executable, "-m", "stanine.cli.main", *map(str, words)],
            env=inherited | self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def backup(self, directory: Path, *words: str, **environment: str) -> dict[str, Any]:
        """Run `stanine backup`, which must succeed; return what it reports."""
        done = self("backup", directory, "-o", "json", *words, **environment)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def command_for(url: str) -> Command:
    return Command({"STANINE_REDIS_URL": url, "STANINE_NAMESPACE": NAMESPACE})


def fill(store: Store, count: int, **options: Any) -> list[bytes]:
    """Submit and score attempts at GAD-7."""
    ids = submit(store, *[attempt(bytes([n % 4] * 7), **options) for n in range(count)])
    BatchScorer(store.results, store.index, store.history).score(b"".join(ids))
    return ids


@pytest.fixture
def source(own_server: Callable[..., Server]) -> Store:
    """The store of a server of this test, with forty scored attempts."""
    server = own_server("--repl-diskless-sync-delay", "0")
    store = make_store(server.url)
    publish(store)
    fill(store, 40)
    return store
