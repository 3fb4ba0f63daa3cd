"""`stanine check`: what is due, missing or stale by the records themselves, read straight from Redis. Registered by `main`."""

import os
import time
from typing import Annotated

import dramatiq
import redis
import typer
from dramatiq.errors import BrokerConnectionError

from stanine.broker import StreamsBroker
from stanine.cli.exits import FAILED, InvalidInputError, UnavailableError
from stanine.cli.options import Shown
from stanine.cli.terminal import View, note, show
from stanine.connection.clients import connect
from stanine.connection.environment import EnvironmentFaultError, read_environment
from stanine.connection.errors import classify
from stanine.domain.result import ENGINE_VERSION
from stanine.messages import BUILD_INDEX, join_names
from stanine.store import load_library
from stanine.store.check import Inspection, inspect
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.sweep import Sweep


def check(
    overdue: Annotated[float, typer.Option(help="Seconds that an attempt may wait before it counts as overdue.", min=0)] = 30.0,
    rebuild_index: Annotated[bool, typer.Option("--rebuild-index", help="Then ask the indexWatcher to build every entry anew.")] = False,
    view: Shown = View.TABLE,
) -> None:
    """Compare the records with what they should be: attempts without result, index entries missing, stale or corrupt.

    Reads STANINE_REDIS_URL and STANINE_NAMESPACE, not the API. Exit status 1: something is overdue or wrong with the index; the watchers'
    sweeps mend it if they run.
    """
    found = _inspect(rebuild_index=rebuild_index)
    waiting = 0.0 if found.oldest_unscored is None else max(0.0, time.time() - found.oldest_unscored / 1000)
    faults = {"missing": found.missing, "stale": found.stale, "corrupt": found.corrupt}
    counts = {"instruments": found.instruments, "attempts": found.attempts, "results": found.results, "unscored": found.unscored}
    oldest = round(waiting, 1) if found.unscored else None
    sizes = counts | {name: len(fields) for name, fields in faults.items()}
    show(counts | {"oldestUnscoredSeconds": oldest} | faults, view, [{"what": name, "count": count} for name, count in sizes.items()])
    for name, fields in faults.items():
        if fields:
            note(f"index entries {name}: {', '.join(fields)}")
    is_overdue = found.unscored > 0 and waiting > overdue
    if is_overdue:
        note(f"{found.unscored} attempts have no result, the oldest for {waiting:.0f} s: is the resultWatcher at work?")
    if is_overdue or any(faults.values()):
        raise typer.Exit(FAILED)


def _inspect(*, rebuild_index: bool) -> Inspection:
    try:
        environment = read_environment(os.environ)
    except EnvironmentFaultError as error:
        raise InvalidInputError(str(error)) from None
    client = connect(environment.redis_url, pool_size=2)
    library, keys = load_library(), Keys(environment.namespace)
    instruments = InstrumentHistory(client, keys)
    try:
        found = inspect(instruments, Index(client, library, keys), Sweep(client, library, keys), ENGINE_VERSION)
        if rebuild_index:
            _ask_to_rebuild(StreamsBroker(client=client, namespace=keys.partition), instruments.names())
    except (redis.RedisError, OSError) as error:
        raise UnavailableError(f"STANINE_REDIS_URL: {classify(error)}") from None
    except BrokerConnectionError as error:
        raise UnavailableError(f"STANINE_REDIS_URL: {error}") from None
    finally:
        client.close()
    return found


def _ask_to_rebuild(broker: StreamsBroker, names: list[str]) -> None:
    """Queue a message for every instrument; the entries are the same bytes unless something was wrong with them."""
    route = BUILD_INDEX
    broker.enqueue_many([dramatiq.Message(route.queue, route.actor, (), {"instruments": join_names([name])}, {}) for name in names])
    note(f"asked for {len(names)} instruments to be indexed anew")
