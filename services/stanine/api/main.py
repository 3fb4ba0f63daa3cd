"""The API process: `python -m stanine.api --host HOST --port PORT`.

It reads the environment, sets up telemetry, and serves until SIGTERM. Exit status 0: stopped by a signal; 2:
invalid arguments or environment (the message has the remedy).
"""

import argparse
import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvloop
from opentelemetry.trace import TracerProvider
from prometheus_client import CollectorRegistry

from stanine.api.app import Api
from stanine.api.settings import ApiSettings, read_settings
from stanine.api.web.auth import Keyring, KeysError
from stanine.api.web.server import GRACE_SECONDS, listen, serve
from stanine.broker.connection.environment import InvalidEnvironmentError
from stanine.runtime.stopping import call_on_signals
from stanine.telemetry.logs import configure_logs, get_log
from stanine.telemetry.traces import TracingConfigError, make_provider, stop_provider

#: Net allocations between two runs of the garbage collector. The default of 700 causes several runs per bulk group.
GC_THRESHOLD = 50_000
#: An ASGI application.
Asgi = Callable[..., Any]
Surround = Callable[[Asgi, CollectorRegistry, TracerProvider], Asgi]

log = get_log()


def main(
    arguments: Sequence[str] | None = None,
    *,
    surround: Surround = lambda app, _registry, _provider: app,
) -> int:
    """Run the API; return the exit status. `surround` adds what is served together with it.

    It gets the application, the registry of its metrics and the provider of its traces.
    """
    parser = argparse.ArgumentParser(
        prog="python -m stanine.api", description="Serves Stanine's HTTP API."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=0,
        help="how long to go on serving after SIGTERM, as not ready, until nobody sends more (default: 0)",
    )
    parser.add_argument(
        "--grace-seconds",
        type=int,
        default=GRACE_SECONDS,
        help="how long requests that have begun may take after that (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        configure_logs("api")
        settings = read_settings(os.environ)
        keyring = Keyring(settings.keys_file)
        count = keyring.load()
        provider = make_provider("stanine-api")
    except (InvalidEnvironmentError, KeysError, TracingConfigError, ValueError) as error:
        print(f"stanine.api: {error}", file=sys.stderr)  # noqa: T201 - the logs may not be there yet
        return 2
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        print(  # noqa: T201 - as above
            f"stanine.api: cannot listen on {options.host}:{options.port}: {error.strerror}",
            file=sys.stderr,
        )
        return 2
    log.info("api.starting", host=options.host, port=listener.getsockname()[1], keys=count)
    # Objects of loaded modules need no further collection. Requests create no cycles, so that rare runs cost no
    # memory.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        uvloop.run(_run(settings, keyring, provider, listener, options, surround))
    finally:
        stop_provider(provider)
    return 0


async def _run(
    settings: ApiSettings,
    keyring: Keyring,
    provider: TracerProvider,
    listener: socket.socket,
    options: argparse.Namespace,
    surround: Surround,
) -> None:
    api = Api(settings, keyring, provider)
    stopping = asyncio.Event()

    def stop() -> None:
        log.info("api.stopping")
        api.leave()
        stopping.set()

    call_on_signals(stop)
    await serve(
        surround(api.asgi, api.registry, provider),
        listener,
        stopping,
        drain_seconds=options.drain_seconds,
        grace_seconds=options.grace_seconds,
        ending=api.drain,
    )
