"""A directory of backups. Called by `stanine backup`, `stanine restore` and the chart's jobs.

    <directory>/incoming/             the snapshot that is being taken and verified; no backup
    <directory>/<time>-<digest>/      a good backup: dump.rdb and manifest.json
    <directory>/erasures.ndjson       the erasure journal
    <directory>/lock                  held by the process that writes

A backup is good if and only if its directory has a name of that form and a manifest. `keep` gives it both by one
rename, after the verification and after everything is on the disk; so a process that dies leaves no bad backup.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

SNAPSHOT, MANIFEST = "dump.rdb", "manifest.json"
#: Version of the manifest's layout.
FORMAT = 1
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
#: Digits of the digest in a name: the time alone could repeat after the clock was set back.
_DIGITS = 12
#: Bytes per read of a digest.
_CHUNK = 1 << 20


class DamagedBackupError(Exception):
    """A backup is unreadable or differs from its manifest; the message names the file."""


class RecordCounts(msgspec.Struct, frozen=True, rename="camel"):
    """Numbers of records that the verification found."""

    keys: int
    instruments: int
    attempts: int
    results: int
    unscored: int
    erased: int


class BackupManifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup is: where from, when, which file, and what the verification counted."""

    sha256: str
    bytes: int
    #: When the server began the snapshot (ms since 1970, the clock of the machine that took it).
    taken_at: int
    namespace: str
    #: Name and version of the server that sent it.
    server: str
    replication_id: str
    offset: int
    stanine: str
    #: Number of the database that the namespace is in.
    database: int = 0
    format: int = FORMAT
    #: Id of the newest entry of the erasure journal in the snapshot; None in backups of earlier versions.
    newest_erasure: str | None = None
    #: None until the snapshot has been verified.
    counts: RecordCounts | None = None

    @property
    def name(self) -> str:
        """Name of the backup's directory."""
        taken = datetime.fromtimestamp(self.taken_at / 1000, UTC)
        return f"{taken:%Y%m%dT%H%M%SZ}-{self.sha256[:_DIGITS]}"


class Archive:
    """The backups of one namespace in a directory, which is created if it does not exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.incoming = directory / "incoming"
        self.journal = directory / "erasures.ndjson"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock; raise BlockingIOError if another process holds it."""
        import fcntl  # noqa: PLC0415 - Windows has none, and imports this module for the help

        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield

    def begin(self) -> Path:
        """Return the path for a new snapshot; what an interrupted run left is removed."""
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir(mode=0o750)
        return self.incoming / SNAPSHOT

    def describe(self, manifest: BackupManifest) -> None:
        """Write the manifest of the incoming snapshot."""
        _write(self.incoming / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))

    def keep(self, manifest: BackupManifest) -> Path:
        """Make the incoming snapshot, which was verified, a good backup; return its directory."""
        assert manifest.counts is not None, "not verified"
        self.describe(manifest)
        for path in self.incoming.iterdir():
            if path.name not in {SNAPSHOT, MANIFEST}:
                path.unlink()  # the configuration of the throw-away server
        _sync(self.incoming / SNAPSHOT)
        _sync(self.incoming)
        kept = self.directory / manifest.name
        self.incoming.rename(kept)
        _sync(self.directory)
        return kept

    def backups(self) -> list[tuple[Path, BackupManifest]]:
        """Return the good backups, the newest first. Directories without a readable manifest are none."""
        found = []
        for path in self.directory.glob("*Z-*"):
            if _NAME.fullmatch(path.name):
                try:
                    found.append((path, read_manifest(path)))
                except DamagedBackupError:
                    continue
        return sorted(found, key=lambda each: each[1].taken_at, reverse=True)

    def prune(self, keep: int) -> tuple[list[str], list[str]]:
        """Remove all but the `keep` newest good backups; return the names of those removed and of those spared.

        A backup that has received more attempts than the newest is spared: then the server has lost data, and the
        newest backups do not have what this one has.
        """
        removed: list[str] = []
        spared: list[str] = []
        good = self.backups()
        if not good:
            return removed, spared
        newest = good[0][1]
        assert newest.counts is not None
        for path, manifest in good[keep:]:
            counts = manifest.counts
            assert counts is not None
            if manifest.namespace == newest.namespace and counts.attempts > newest.counts.attempts:
                spared.append(path.name)
                continue
            (path / MANIFEST).unlink()  # from here on it is no backup, even if this process dies
            shutil.rmtree(path)
            removed.append(path.name)
        for path in self.directory.glob("*Z-*"):  # what an interrupted removal left
            if _NAME.fullmatch(path.name) and not (path / MANIFEST).exists():
                shutil.rmtree(path, ignore_errors=True)
        return removed, spared


def read_manifest(backup: Path) -> BackupManifest:
    """Return the manifest in a backup's directory; raise DamagedBackupError."""
    path = backup / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=BackupManifest)
    except OSError as error:
        raise DamagedBackupError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise DamagedBackupError(f"{path}: {error}") from None
    if manifest.format > FORMAT:
        raise DamagedBackupError(
            f"{path}: the format {manifest.format} was written by a newer version"
        )
    return manifest


def check_file(backup: Path, manifest: BackupManifest) -> None:
    """Compare a snapshot with its manifest; raise DamagedBackupError."""
    path = backup / SNAPSHOT
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise DamagedBackupError(f"{path}: {error.strerror}") from None
    if digest.hexdigest() != manifest.sha256:
        raise DamagedBackupError(f"{path}: its SHA-256 is not that of the manifest")


def _write(path: Path, data: bytes) -> None:
    """Replace a file by one that is on the disk."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
