"""Make a server's data directory of a backup. Called by `restore`.

    DIRECTORY/restoring/       the copy that a throw-away server loads, changes and writes
    DIRECTORY/appendonlydir/   the result, moved there whole: a run that ends early leaves a directory without data

The erasures are repeated before the append-only file is written, so no server ever serves an erased person, and the
directory contains none.
"""

import os
import shutil
import time
from pathlib import Path

import redis

from stanine.cli.exits import CliError
from stanine.store.backup.archive import (
    MANIFEST,
    SNAPSHOT,
    BackupManifest,
    check_file,
    read_manifest,
)

#: Names that a server with default settings gives its data.
_APPEND_ONLY, _DATA = "appendonlydir", ("appendonlydir", "dump.rdb", "appendonly.aof")
#: Name of the working directory.
WORK = "restoring"
#: Seconds for writing the append-only file, and for the server's end.
_WRITE_SECONDS, _END_SECONDS, _POLL = 1800.0, 60.0, 0.1


def prepare(backup: Path, directory: Path) -> tuple[Path, BackupManifest]:
    """Copy a backup to a new data directory and check the copy; return the working directory and the manifest.

    Raises CliError if the directory has data, DamagedBackupError, OSError.
    """
    manifest = read_manifest(backup)
    if manifest.counts is None:
        raise CliError(f"{backup} was never verified, so it is no backup")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in _DATA:
        if (directory / name).exists():
            raise CliError(
                f"{directory / name} exists: a backup is restored into a directory without data; move it away first"
            )
    work = directory / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o750)
    for name in (SNAPSHOT, MANIFEST):
        shutil.copyfile(backup / name, work / name)
    check_file(work, manifest)
    return work, manifest


def write_append_only_file(client: "redis.Redis") -> None:
    """Let the server write its data as an append-only file, and end it; raise CliError, redis-py's errors."""
    client.config_set("appendonly", "yes")
    deadline = time.monotonic() + _WRITE_SECONDS
    while True:
        found = client.info("persistence")
        if found["aof_last_bgrewrite_status"] != "ok":
            raise CliError("the server could not write the append-only file: is the disk full?")
        if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
            break
        if time.monotonic() > deadline:
            raise CliError(f"the append-only file was not written within {_WRITE_SECONDS:.0f} s")
        time.sleep(_POLL)
    client.shutdown(nosave=True)


def put_in_place(work: Path) -> None:
    """Move the append-only file into its directory, and remove the rest; the server must have ended.

    The snapshot, which has the erased persons, is removed first: a process that dies leaves it only in a directory
    without data, where the next run removes it.
    """
    made = work / _APPEND_ONLY
    if not list(made.glob("*.manifest")):
        raise CliError(f"the server has written no append-only file to {made}")
    for path in [*made.iterdir(), made]:
        _sync(path)
    (work / SNAPSHOT).unlink()
    _sync(work)
    made.rename(work.parent / _APPEND_ONLY)
    _sync(work.parent)
    shutil.rmtree(work)


def await_end(client: "redis.Redis") -> None:
    """Wait until the server of another container has ended; raise CliError."""
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        try:
            client.ping()
        except (redis.ConnectionError, OSError):
            return
        time.sleep(_POLL)
    raise CliError("the throw-away server did not end")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
