"""`stanine restore`: make a server's data of a backup, without the persons who were erased since. Registered by `application`."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import redis
import typer

from stanine.broker.connection.clients import connect_async
from stanine.broker.connection.environment import InvalidEnvironmentError, read_environment
from stanine.broker.connection.errors import classify
from stanine.cli.exits import CliError, InvalidInputError, MissingError, TryAgainError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.local import restoring, scratch_server
from stanine.cli.options import Shown
from stanine.store import load_library
from stanine.store.backup.archive import Archive, BackupManifest, DamagedBackupError, read_manifest
from stanine.store.journal_file import DamagedJournalError, Journal, read_journal
from stanine.store.keys import Keys

if TYPE_CHECKING:
    from stanine.store.backup.erasing_again import ErasedAgain


class RestoreStep(StrEnum):
    """Parts of a restore, for a job whose throw-away server is another container."""

    PREPARE = "prepare"
    FINISH = "finish"


def restore(
    backup: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BACKUP]", help="A backup's directory, or one of backups: then the newest."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY", help="The server's data directory, which must have no data."
        ),
    ] = None,
    erasures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Erasure journal: what it names is erased again. None: `none`."
        ),
    ] = None,
    server_program: Annotated[
        Path | None,
        typer.Option(
            metavar="PROGRAM",
            help="Program of the throw-away server; by default the embedded Valkey.",
        ),
    ] = None,
    step: Annotated[
        RestoreStep | None, typer.Option(help="Only this part: for jobs in Kubernetes.")
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option(
            help="With --step: Unix socket of the throw-away server of another container."
        ),
    ] = None,
    view: Shown = View.TABLE,
) -> None:
    """Make the data directory of a server of a backup, or erase again on a running server.

    BACKUP --to DIRECTORY --erasures FILE: a throw-away server loads the backup, everything that the journal names is
    erased, all records are checked, and only then DIRECTORY gets the append-only file with which a server starts.
    --erasures FILE alone: erases on the server of STANINE_REDIS_URL, whose services must not run yet.
    """
    if (step is None) != (socket is None):
        raise InvalidInputError("--step and --socket belong together")
    if (backup is None) != (to is None):
        raise InvalidInputError("BACKUP and --to belong together")
    if erasures is None:
        raise InvalidInputError(
            "--erasures FILE: name the erasure journal next to the backups, or `none` if nobody was erased since"
        )
    with _reported():
        journal = Journal([]) if str(erasures) == "none" else read_journal(erasures)
        if backup is None or to is None:
            show_erased(_on_running_server(journal), view)
            return
        chosen = _chosen(backup)
        if step is RestoreStep.FINISH:
            work = to / restoring.WORK
            manifest = read_manifest(work)
        else:
            work, manifest = restoring.prepare(chosen, to)
        if step is RestoreStep.PREPARE:
            assert socket is not None
            (work / scratch_server.CONFIGURATION).write_text(
                scratch_server.scratch_configuration(work.resolve(), socket)
            )
            return
        done = _finish(work, manifest, journal, socket, server_program)
        note(f"{to} has the data of {chosen.name}")
        show_erased(done, view)


def show_erased(done: "ErasedAgain", view: View) -> None:
    """Show what was erased again; raise CliError if entries could not be compared."""
    import msgspec  # noqa: PLC0415

    row = msgspec.to_builtins(done)
    show(row, view, [row])
    _refuse_unmatched(done)


def _refuse_unmatched(done: "ErasedAgain") -> None:
    if done.unmatched:
        raise CliError(
            f"{done.unmatched} entries of the journal name participants by a secret that this server does not have "
            "(it is of another server, or of a time before or long after the backup):",
            "erase these participants by name (`stanine erase --participant`), and remove their lines from the journal",
        )


@contextmanager
def _reported() -> Iterator[None]:
    """Raise every expected failure as a CliError that names the reason."""
    try:
        yield
    except redis.RedisError as error:
        raise TryAgainError(f"the server cannot be used: {classify(error)}") from None
    except (DamagedBackupError, DamagedJournalError) as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"{error.filename or 'restore'}: {error.strerror}") from None


def _chosen(backup: Path) -> Path:
    """Return a backup's directory; the newest one of a directory of backups."""
    if (backup / "manifest.json").exists():
        return backup
    found = Archive(backup).backups()
    if not found:
        raise MissingError(f"{backup}: there is no good backup")
    return found[0][0]


def _on_running_server(journal: Journal) -> "ErasedAgain":
    try:
        environment = read_environment(os.environ)
    except InvalidEnvironmentError as error:
        raise InvalidInputError(str(error)) from None
    return asyncio.run(_erase(environment.redis_url, environment.namespace, journal))


async def _erase(url: str, namespace: str, journal: Journal) -> "ErasedAgain":
    from stanine.store.backup.erasing_again import (  # noqa: PLC0415
        IncompleteJournalError,
        erase_again,
    )

    client = connect_async(url)
    try:
        return await erase_again(client, load_library(), Keys(namespace), journal)
    except IncompleteJournalError as error:
        raise CliError(str(error)) from None
    finally:
        await client.aclose()


def _finish(
    work: Path,
    manifest: BackupManifest,
    journal: Journal,
    socket: Path | None,
    program: Path | None,
) -> "ErasedAgain":
    """Erase, check and write on the throw-away server, then put the data in place."""
    if socket is None:
        opened: Any = scratch_server.scratch_server(
            work, manifest.database, program=program, environment=os.environ
        )
    else:
        opened = scratch_server.scratch_client(socket, manifest.database)
    with opened as scratch:
        try:
            if socket is not None:
                scratch_server.await_loaded(scratch, lambda: True)
            done = asyncio.run(_erase(_url_of(scratch), manifest.namespace, journal))
            _refuse_unmatched(done)
            _verify(scratch, manifest)
            restoring.write_append_only_file(scratch)
            restoring.await_end(scratch)
        finally:
            if socket is not None:
                scratch_server.end_server(scratch)
    restoring.put_in_place(work)
    return done


def _url_of(client: "redis.Redis") -> str:
    pool: Any = client.connection_pool
    options = pool.connection_kwargs
    return f"unix://{options['path']}?db={options['db']}"


def _verify(client: "redis.Redis", manifest: BackupManifest) -> None:
    from stanine.store.backup.verification import UnsoundBackupError, verify  # noqa: PLC0415 - loads NumPy

    try:
        counts = verify(client, manifest.namespace)
    except UnsoundBackupError as error:
        raise CliError(f"the restored records are not sound: {error}") from None
    assert manifest.counts is not None
    if counts.attempts != manifest.counts.attempts:
        raise CliError(
            f"the server has {counts.attempts} attempts, and the manifest says {manifest.counts.attempts}"
        )
