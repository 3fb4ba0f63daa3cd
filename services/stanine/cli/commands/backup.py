"""`stanine backup`: take a snapshot of the server, verify it, keep it. Registered by `application`."""

import importlib.metadata
import os
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import redis
import typer

from stanine.broker.connection.clients import connect
from stanine.broker.connection.environment import (
    Environment,
    InvalidEnvironmentError,
    read_environment,
)
from stanine.broker.connection.errors import classify
from stanine.cli.exits import CliError, InvalidInputError, TryAgainError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.local import scratch_server
from stanine.cli.options import Shown
from stanine.store.backup.archive import (
    SNAPSHOT,
    Archive,
    BackupManifest,
    DamagedBackupError,
    check_file,
    read_manifest,
)
from stanine.store.backup.recorded import record_backup
from stanine.store.backup.snapshot import SnapshotError, server_version, take_snapshot
from stanine.store.journal import newest_entry, read_stream
from stanine.store.journal_file import append_new, prune
from stanine.store.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator


class Step(StrEnum):
    """Parts of a backup, for a job whose throw-away server is another container."""

    TAKE = "take"
    VERIFY = "verify"
    JOURNAL = "journal"


def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where backups are kept.")],
    keep: Annotated[
        int, typer.Option(help="Good backups to keep; older ones are removed.", min=1, max=1000)
    ] = 7,
    server_program: Annotated[
        Path | None,
        typer.Option(
            metavar="PROGRAM",
            help="Program of the throw-away server, as new as the server; by default the embedded Valkey.",
        ),
    ] = None,
    step: Annotated[
        Step | None, typer.Option(help="Only this part: for jobs in Kubernetes.")
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option(
            help="With --step: Unix socket of the throw-away server of another container."
        ),
    ] = None,
    view: Shown = View.TABLE,
) -> None:
    """Take a snapshot of the server, verify it, and keep it as a good backup.

    Reads STANINE_REDIS_URL and STANINE_NAMESPACE. The snapshot, of the whole server, is loaded into a throw-away server,
    where every result of the namespace is compared with a fresh scoring. A snapshot that fails is not kept and
    replaces nothing: exit status 1, or 5 if the server cannot be reached. docs/howto/back-up-and-restore.md
    """
    if (step in {Step.TAKE, Step.VERIFY}) != (socket is not None):
        raise InvalidInputError("--step take, --step verify and --socket belong together")
    try:
        environment = read_environment(os.environ)
    except InvalidEnvironmentError as error:
        raise InvalidInputError(str(error)) from None
    archive = Archive(directory)
    client = connect(environment.redis_url, pool_size=2)
    try:
        with _reported(directory):
            if step is Step.JOURNAL:
                note(f"copied {_copy_journal(client, archive, environment)} erasures")
                return
            with archive.locked():
                if step is not Step.VERIFY:
                    _take(client, archive, environment)
                if socket is not None and step is Step.TAKE:
                    configuration = scratch_server.scratch_configuration(
                        archive.incoming.resolve(), socket
                    )
                    (archive.incoming / scratch_server.CONFIGURATION).write_text(configuration)
                    note("taken; not verified yet")
                    return
                manifest = _verify(archive, socket, server_program)
                kept = archive.keep(manifest)
                removed, spared = archive.prune(keep)
                _record(client, environment, manifest)
                _copy_journal(client, archive, environment)
                pruned = _prune_journal(client, archive, environment)
    finally:
        client.close()
    note(*(f"removed {name}" for name in removed))
    if pruned:
        note(f"removed {pruned} entries of the erasure journal, which no kept backup needs")
    note(
        *(
            f"kept {name} although it is older: it has more attempts than the newest, so the server has lost data"
            for name in spared
        )
    )
    assert manifest.counts is not None
    counts = manifest.counts
    row = {
        "backup": kept.name,
        "bytes": manifest.bytes,
        "attempts": counts.attempts,
        "results": counts.results,
        "erased": counts.erased,
    }
    show(
        {"backup": kept.name, "directory": str(kept), "manifest": manifest, "removed": removed},
        view,
        [row],
    )


@contextmanager
def _reported(directory: Path) -> "Iterator[None]":
    """Raise every expected failure as a CliError that names the reason."""
    try:
        yield
    except BlockingIOError:
        raise CliError(f"another `stanine backup` writes to {directory}") from None
    except redis.exceptions.NoPermissionError:
        raise CliError(
            "the Redis user may not do this: a backup needs PSYNC, REPLCONF, HSET and XRANGE, as the user `backup` of the chart"
        ) from None
    except redis.RedisError as error:
        raise TryAgainError(f"STANINE_REDIS_URL: {classify(error)}") from None
    except SnapshotError as error:
        raise TryAgainError(f"no backup: {error}") from None
    except DamagedBackupError as error:
        raise CliError(f"no backup: {error}") from None
    except OSError as error:
        raise CliError(f"no backup: {error.filename or directory}: {error.strerror}") from None


def _take(client: "redis.Redis", archive: Archive, environment: Environment) -> None:
    taken_at = time.time_ns() // 1_000_000
    with archive.begin().open("wb") as target:
        snapshot = take_snapshot(client, target)
        target.flush()
        os.fsync(target.fileno())
    archive.describe(
        BackupManifest(
            sha256=snapshot.sha256,
            bytes=snapshot.size,
            taken_at=taken_at,
            namespace=environment.namespace,
            server=server_version(client),
            replication_id=snapshot.replication_id,
            offset=snapshot.offset,
            stanine=importlib.metadata.version("stanine"),
            database=_database(client),
        )
    )


def _verify(archive: Archive, socket: Path | None, program: Path | None) -> BackupManifest:
    """Load the incoming snapshot, check its records, and return its manifest with the counts."""
    import msgspec  # noqa: PLC0415

    from stanine.store.backup.verification import UnsoundBackupError, verify  # noqa: PLC0415 - loads NumPy

    manifest = read_manifest(archive.incoming)
    check_file(archive.incoming, manifest)
    if socket is None:
        opened: Any = scratch_server.scratch_server(
            archive.incoming, manifest.database, program=program, environment=os.environ
        )
    else:
        opened = scratch_server.scratch_client(socket, manifest.database)
    with opened as scratch:
        try:
            if socket is not None:
                scratch_server.await_loaded(scratch, lambda: True)
            counts = verify(scratch, manifest.namespace)
            newest = newest_entry(scratch, Keys(manifest.namespace))
        except UnsoundBackupError as error:
            raise CliError(
                f"no backup: the records in {archive.incoming / SNAPSHOT} are not sound: {error}"
            ) from None
        finally:
            if socket is not None:
                scratch_server.end_server(scratch)
    return msgspec.structs.replace(manifest, counts=counts, newest_erasure=newest)


def _copy_journal(client: "redis.Redis", archive: Archive, environment: Environment) -> int:
    """Copy the erasure journal next to the backups; return how many entries were new."""
    archive.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return append_new(archive.journal, read_stream(client, Keys(environment.namespace)))


def _prune_journal(client: "redis.Redis", archive: Archive, environment: Environment) -> int:
    """Remove what no kept backup needs from the copy of the erasure journal; return how many entries."""
    kept = [manifest for _, manifest in archive.backups()]
    if any(each.namespace != environment.namespace for each in kept):
        return 0  # the backups of another namespace need its entries, whose times say nothing of this one
    on_server = list(read_stream(client, Keys(environment.namespace)))
    return prune(archive.journal, [each.newest_erasure for each in kept], on_server)


def _record(client: "redis.Redis", environment: Environment, manifest: BackupManifest) -> None:
    """Record the time for the metric; a failure leaves the backup as good as it is."""
    try:
        record_backup(client, Keys(environment.namespace), manifest)
    except redis.RedisError as error:
        note(f"the backup is good, but its time could not be recorded in Redis: {classify(error)}")


def _database(client: "redis.Redis") -> int:
    pool: Any = client.connection_pool
    return int(pool.connection_kwargs.get("db") or 0)
