"""`stanine check`: find overdue attempts and wrong index entries in Redis.

Registered by `application`.
"""

import os
import time
from typing import TYPE_CHECKING, Annotated

import dramatiq
import msgspec
import redis
import typer
from dramatiq.errors import BrokerConnectionError

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect
from stanine.broker.connection.environment import InvalidEnvironmentError, read_environment
from stanine.broker.connection.errors import classify
from stanine.cli.exits import FAILED, InvalidInputError, TryAgainError
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import Shown
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.messages import BUILD_INDEX, join_names
from stanine.store import load_library
from stanine.store.check import Inspection, inspect
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.sweep import Sweep

if TYPE_CHECKING:
    from stanine.store.audit import Audit


def check(
    overdue: Annotated[
        float,
        typer.Option(help="Seconds that an attempt may wait before it counts as overdue.", min=0),
    ] = 30.0,
    rebuild_index: Annotated[
        bool,
        typer.Option("--rebuild-index", help="Then enqueue a rebuild of every index entry."),
    ] = False,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores", help="Also score every attempt again and compare the results bit by bit."
        ),
    ] = False,
    view: Shown = View.TABLE,
) -> None:
    """Check the records in Redis for overdue attempts and missing, stale or corrupt index entries.

    Reads STANINE_REDIS_URL and STANINE_NAMESPACE, not the API. Exit status 1: an attempt is overdue, or an index
    entry is wrong (running watchers repair it); or, with --scores, a stored result differs from a fresh scoring, or
    an attempt failed that can be scored.
    """
    found, audit = _inspect(rebuild_index=rebuild_index, scores=scores)
    waiting = (
        0.0
        if found.oldest_unscored is None
        else max(0.0, time.time() - found.oldest_unscored / 1000)
    )
    faults = {"missing": found.missing, "stale": found.stale, "corrupt": found.corrupt}
    counts = {
        "instruments": found.instruments,
        "attempts": found.attempts,
        "results": found.results,
        "unscored": found.unscored,
    }
    oldest = round(waiting, 1) if found.unscored else None
    sizes = counts | {name: len(fields) for name, fields in faults.items()}
    record: dict[str, object] = {**counts, "oldestUnscoredSeconds": oldest, **faults}
    if audit is not None:
        record["scores"] = audit
        sizes |= {
            name: value if isinstance(value, int) else value["count"]
            for name, value in msgspec.to_builtins(audit).items()
        }
    show(record, view, [{"what": name, "count": count} for name, count in sizes.items()])
    for name, fields in faults.items():
        if fields:
            note(f"index entries {name}: {', '.join(fields)}")
    is_overdue = found.unscored > 0 and waiting > overdue
    if is_overdue:
        note(
            f"{found.unscored} attempts have no result, the oldest for {waiting:.0f} s: does the resultWatcher run?"
        )
    if audit is not None:
        note(*audit.findings())
    if is_overdue or any(faults.values()) or (audit is not None and not audit.is_sound):
        raise typer.Exit(FAILED)


def _inspect(*, rebuild_index: bool, scores: bool) -> "tuple[Inspection, Audit | None]":
    try:
        environment = read_environment(os.environ)
    except InvalidEnvironmentError as error:
        raise InvalidInputError(str(error)) from None
    client = connect(environment.redis_url, pool_size=2)
    library, keys = load_library(), Keys(environment.namespace)
    instruments = InstrumentHistory(client, keys)
    try:
        sweep = Sweep(client, library, keys)
        found = inspect(instruments, Index(client, library, keys), sweep, ENGINE_VERSION)
        audit = _audit(client, instruments, sweep, keys) if scores else None
        if rebuild_index:
            _ask_to_rebuild(
                StreamsBroker(client=client, namespace=keys.partition), instruments.names()
            )
    except (redis.RedisError, OSError) as error:
        raise TryAgainError(f"STANINE_REDIS_URL: {classify(error)}") from None
    except BrokerConnectionError as error:
        raise TryAgainError(f"STANINE_REDIS_URL: {error}") from None
    finally:
        client.close()
    return found, audit


def _audit(
    client: "redis.Redis", instruments: InstrumentHistory, sweep: Sweep, keys: Keys
) -> "Audit":
    from stanine.store.audit import Auditor  # noqa: PLC0415 - loads NumPy, which the rest of this command does not need

    return Auditor(client, instruments, sweep, keys).audit()


def _ask_to_rebuild(broker: StreamsBroker, names: list[str]) -> None:
    """Enqueue an index message for every instrument. Correct entries stay byte-identical."""
    route = BUILD_INDEX
    broker.enqueue_many(
        [
            dramatiq.Message(route.queue, route.actor, (), {"instruments": join_names([name])}, {})
            for name in names
        ]
    )
    note(f"asked for {len(names)} instruments to be indexed again")
