"""`stanine backup`: what it keeps can be loaded and is sound; what fails is never kept and replaces nothing."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.certificates import make_authority
from tests.conftest import Server, free_port, need
from tests.integration.acl.rules import user_line
from tests.integration.backup.conftest import NAMESPACE, command_for, fill
from tests.integration.stores import Store, make_store
from tests.integration.watchers.assessing import publish

from stanine.store.blocks import RUN_FIELD, block_records


def good(directory: Path) -> list[str]:
    """Names of the good backups in order of time."""
    return sorted(path.parent.name for path in directory.glob("*Z-*/manifest.json"))


def damage(store: Store) -> None:
    """Change one bit of a result."""
    key = store.keys.results(0)
    fields = block_records(store.client.hgetall(key))
    record = bytearray(fields[7])
    record[-5] ^= 1
    store.client.hset(key, mapping={**fields, 7: bytes(record)})
    store.client.hdel(key, RUN_FIELD)


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_backup_has_a_snapshot_and_a_manifest_of_what_was_verified(
    source: Store, tmp_path: Path, diskless: str
) -> None:
    source.client.config_set("repl-diskless-sync", diskless)
    found = command_for(source.url).backup(tmp_path / "backups")
    snapshot = (Path(found["directory"]) / "dump.rdb").read_bytes()
    manifest = json.loads((Path(found["directory"]) / "manifest.json").read_text())
    assert manifest == found["manifest"]
    assert manifest["sha256"] == hashlib.sha256(snapshot).hexdigest()
    assert (manifest["bytes"], manifest["namespace"]) == (len(snapshot), NAMESPACE)
    assert manifest["server"].startswith("valkey ")
    assert manifest["counts"] == {
        "keys": source.client.dbsize() - 1,  # the record of this backup is newer than its snapshot
        "instruments": 1,
        "attempts": 40,
        "results": 40,
        "unscored": 0,
        "erased": 0,
    }
    assert int(source.client.hget(source.keys.backups, "newest")) == manifest["takenAt"]


def test_a_snapshot_with_a_wrong_result_is_not_kept_and_replaces_nothing(
    source: Store, tmp_path: Path
) -> None:
    run, directory = command_for(source.url), tmp_path / "backups"
    first = run.backup(directory)
    recorded = source.client.hgetall(source.keys.backups)
    damage(source)
    refused = run("backup", directory, "--keep", "1")
    assert refused.returncode == 1
    assert "1 attempts have a result that differs from a fresh scoring" in refused.stderr
    assert good(directory) == [first["backup"]]
    assert source.client.hgetall(source.keys.backups) == recorded


def test_a_server_that_cannot_load_the_snapshot_is_a_failure(source: Store, tmp_path: Path) -> None:
    program = tmp_path / "older-server"
    program.write_text("#!/bin/sh\necho 'Fatal error loading the DB' >&2\nexit 1\n")
    program.chmod(0o755)
    refused = command_for(source.url)("backup", tmp_path / "backups", "--server-program", program)
    assert refused.returncode == 1
    assert "could not load the snapshot" in refused.stderr
    assert "Fatal error loading the DB" in refused.stderr
    assert good(tmp_path / "backups") == []


def test_the_newest_backups_are_kept_and_older_ones_removed(source: Store, tmp_path: Path) -> None:
    run, directory = command_for(source.url), tmp_path / "backups"
    names = []
    for _ in range(3):
        fill(source, 1)
        names.append(run.backup(directory, "--keep", "2")["backup"])
    assert good(directory) == names[1:]
    assert {path.name for path in directory.iterdir()} == {"lock", "erasures.ndjson", *names[1:]}


def test_a_backup_of_a_server_that_lost_its_data_does_not_remove_those_that_have_them(
    source: Store, tmp_path: Path
) -> None:
    run, directory = command_for(source.url), tmp_path / "backups"
    whole = run.backup(directory)["backup"]
    source.client.flushall()
    done = run("backup", directory, "--keep", "1")
    assert done.returncode == 0, done.stderr
    assert f"kept {whole} although it is older" in done.stderr
    assert whole in good(directory)


def test_the_user_of_the_chart_may_take_backups_and_nothing_else(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    rules = tmp_path / "users.acl"
    rules.write_text(
        f"{user_line('backup', NAMESPACE, 'secret word', with_operator=True)}\nuser default on nopass ~* &* +@all\n"
    )
    server = own_server("--aclfile", str(rules), "--repl-diskless-sync-delay", "0")
    store = make_store(server.url)
    publish(store)
    fill(store, 5)
    run = command_for(f"redis://127.0.0.1:{server.port}/0")
    (tmp_path / "password").write_text("secret word")
    login = {
        "STANINE_REDIS_USERNAME": "backup",
        "STANINE_REDIS_PASSWORD_FILE": str(tmp_path / "password"),
    }
    assert run.backup(tmp_path / "backups", **login)["manifest"]["counts"]["attempts"] == 5
    assert store.client.execute_command("ACL", "LOG") == []
    user: Any = redis.Redis(port=server.port, username="backup", password="secret word")
    for words in (("HGETALL", store.keys.attempts(0)), ("FLUSHALL",), ("SAVE",), ("ACL", "LIST")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            user.execute_command(*words)
    refused = run(
        "backup", tmp_path / "other", **login | {"STANINE_REDIS_PASSWORD_FILE": "/dev/null"}
    )
    assert (refused.returncode, good(tmp_path / "other")) == (5, [])
    store.client.execute_command("ACL", "SETUSER", "backup", "-psync")
    refused = run("backup", tmp_path / "other", **login)
    assert (refused.returncode, good(tmp_path / "other")) == (1, [])
    assert "a backup needs PSYNC, REPLCONF" in refused.stderr


def test_a_backup_is_taken_over_tls_of_a_redis_7_0(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    binary = shutil.which("redis-server")
    need(
        "redis-server", found=binary is not None
    )  # Debian's build has TLS, the one from pip has not
    need("openssl", found=shutil.which("openssl") is not None)
    authority = make_authority(tmp_path / "authority")
    certificate, key = authority.issue("server", ["DNS:localhost"])
    port = free_port()
    server = own_server(
        "--tls-port", str(port), "--tls-ca-cert-file", str(authority.certificate), "--tls-cert-file", str(certificate),
        "--tls-key-file", str(key), "--tls-auth-clients", "no", "--repl-diskless-sync-delay", "0", binary=binary,
    )  # fmt: skip
    store = make_store(server.url)
    publish(store)
    fill(store, 5)
    run = command_for(f"rediss://localhost:{port}/0?ssl_ca_certs={authority.certificate}")
    found = run.backup(tmp_path / "backups")
    assert (found["manifest"]["server"][:8], found["manifest"]["counts"]["results"]) == (
        "redis 7.",
        5,
    )


def test_a_run_that_was_killed_leaves_no_backup_and_does_not_hinder_the_next(
    source: Store, tmp_path: Path
) -> None:
    run, directory = command_for(source.url), tmp_path / "backups"
    source.client.config_set("repl-diskless-sync-delay", 60)  # it waits for the snapshot
    words = [sys.executable, "-m", "stanine.cli.main", "backup", str(directory)]
    with subprocess.Popen(words, env=os.environ | run.environment) as process:
        until = time.monotonic() + 30
        while not (directory / "incoming" / "dump.rdb").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        second = run("backup", directory)
        assert (second.returncode, "another `stanine backup`" in second.stderr) == (1, True)
        process.kill()
    source.client.config_set("repl-diskless-sync-delay", 0)
    assert good(directory) == []
    assert run.backup(directory)["backup"] in good(directory)


def test_a_failed_run_is_reported_in_one_line(tmp_path: Path) -> None:
    refused = command_for("redis://127.0.0.1:1/0")("backup", tmp_path / "backups")
    assert refused.returncode == 5
    assert len(refused.stderr.strip().splitlines()) == 1
    (tmp_path / "file").touch()
    refused = command_for("redis://127.0.0.1:1/0")("backup", tmp_path / "file")
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1
