"""The steps of the chart's jobs, whose throw-away server is a container of its own: here a process that the test starts."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Server, valkey_binary
from tests.integration.backup.conftest import command_for
from tests.integration.backup.test_backup import damage, good
from tests.integration.store.test_erasure import erasing
from tests.integration.stores import Store, make_store

from stanine.store.journal_file import read_journal


@pytest.fixture
def socket() -> Iterator[Path]:
    """The path of a socket, in a short directory: the system allows about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        yield Path(folder) / "scratch.sock"


@contextmanager
def other_container(configuration: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the server that the first step described."""
    process = subprocess.Popen([valkey_binary(), str(configuration)], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_backup_in_steps_is_kept_and_ends_the_server(
    source: Store, tmp_path: Path, socket: Path
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    source.client.xadd(source.keys.erasures, {"v": b"invited!"}, id="1000000000000-0")
    erasing(source, "attempt", source.results_of().items[0][0].id)
    assert run("backup", backups, "--step", "take", "--socket", socket).returncode == 0
    assert good(backups) == []
    with other_container(backups / "incoming" / "server.conf") as server:
        done = run("backup", backups, "--step", "verify", "--socket", socket)
        assert done.returncode == 0, done.stderr
        assert server.wait(10) == 0, "the job's pod ends successfully"
    assert len(good(backups)) == 1
    assert not (backups / "incoming").exists()
    journal = read_journal(backups / "erasures.ndjson")
    assert [len(each.attempts) for each in journal.entries] == [1], "the old entry was removed"


def test_an_unsound_backup_in_steps_is_not_kept_and_ends_the_server(
    source: Store, tmp_path: Path, socket: Path
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    damage(source)
    run("backup", backups, "--step", "take", "--socket", socket)
    with other_container(backups / "incoming" / "server.conf") as server:
        assert run("backup", backups, "--step", "verify", "--socket", socket).returncode == 1
        server.wait(10)
    assert good(backups) == []


def test_a_restore_in_steps_puts_the_data_in_place(
    source: Store, tmp_path: Path, socket: Path, own_server: Callable[..., Server]
) -> None:
    run, backups, data = command_for(source.url), tmp_path / "backups", tmp_path / "data"
    erasing(source, "prepare")
    found = run.backup(backups)
    erasing(source, "attempt", source.results_of().items[0][0].id)
    run("backup", backups, "--step", "journal")
    words = (
        "restore", backups, "--to", data, "--erasures", backups / "erasures.ndjson", "--socket", socket
    )  # fmt: skip
    done = run(*words, "--step", "prepare")
    assert done.returncode == 0, done.stderr
    assert not (data / "appendonlydir").exists()
    with other_container(data / "restoring" / "server.conf") as server:
        done = run(*words, "--step", "finish")
        assert done.returncode == 0, done.stderr
        assert server.wait(10) == 0
    assert [path.name for path in data.iterdir()] == ["appendonlydir"]
    store = make_store(own_server(directory=data).url)
    assert len(store.results_of().items) == found["manifest"]["counts"]["results"] - 1
