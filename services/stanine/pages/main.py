"""The process of the pages: `python -m stanine.pages --api http://HOST:PORT`.

It reads OTEL_* as the API does. Exit status 0: stopped by a signal; 2: invalid arguments or environment (the message
has the remedy).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
from opentelemetry.trace import NoOpTracerProvider

from stanine.client import AsyncStanine, RetryPolicy
from stanine.client.connecting import DEFAULT_TIMEOUT, Endpoint
from stanine.domain.client_address import read_networks
from stanine.pages.api_connection import ApiConnection
from stanine.pages.app import make_pages
from stanine.pages.console.sources import ApiOrganisations
from stanine.pages.links import read_base_path
from stanine.pages.observing import observed
from stanine.pages.readiness import with_readiness
from stanine.pages.result.sources import ApiResults
from stanine.pages.serving import listen, serve
from stanine.pages.settings import (
    Organisation,
    PagesSettings,
    read_organisation,
)
from stanine.pages.survey.sources import ApiSessions
from stanine.telemetry.logs import configure_logs, get_log
from stanine.telemetry.metrics import make_registry
from stanine.telemetry.pages_metrics import PagesMetrics, watch_readiness
from stanine.telemetry.traces import TracingConfigError, make_provider, stop_provider

#: Seconds for which a call of the API is tried again: the restart of an API process. Participants wait as long.
API_PATIENCE = 8.0

log = get_log()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pages; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        configure_logs("pages")
        settings = read_settings(options)
        api = Endpoint.at(options.api, None, DEFAULT_TIMEOUT)
        provider = make_provider("stanine-pages")
    except (TracingConfigError, ValueError) as error:
        print(f"stanine.pages: {error}", file=sys.stderr)  # noqa: T201 - the logs may not be there yet
        return 2
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        print(  # noqa: T201 - as above
            f"stanine.pages: cannot listen on {options.host}:{options.port}: {error.strerror}",
            file=sys.stderr,
        )
        return 2
    registry = make_registry()
    metrics = PagesMetrics(registry)
    connection = ApiConnection(metrics, provider, trust_env=api.uses_environment)
    client = make_client(api.address, connection)
    # asks whether the API is ready, on connections of its own; probes have no spans
    probe = ApiConnection(
        metrics, NoOpTracerProvider(), base_url=api.address, trust_env=api.uses_environment
    )

    async def close() -> None:
        await connection.aclose()
        await probe.aclose()

    pages = make_pages(
        settings,
        ApiSessions(client),
        close,
        results=ApiResults(client),
        organisations=ApiOrganisations(client) if settings.console else None,
    )
    app = with_readiness(observed(pages, metrics, provider), probe, watch_readiness(registry))
    port = listener.getsockname()[1]
    try:
        serve(app, listener, lambda: log.info("pages.ready", host=options.host, port=port))
    finally:
        stop_provider(provider)
    return 0


def make_client(address: str, connection: httpx.AsyncClient | None = None) -> AsyncStanine:
    """Return the client of the API, on its own connections unless some are given. Raises ValueError for an address that cannot be used."""
    policy = RetryPolicy(patience=API_PATIENCE, patience_unreached=API_PATIENCE)
    return AsyncStanine(address, retries=policy, http_client=connection)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options of the pages' settings to a parser."""
    parser.add_argument(
        "--base-path",
        default="",
        help="path below which the pages are, such as /x/y (default: none)",
    )
    parser.add_argument(
        "--trust-proxy",
        action="append",
        default=[],
        metavar="NETWORK",
        help="proxies whose X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-For count, such as 10.0.0.0/8; repeatable",
    )
    parser.add_argument(
        "--organisation",
        type=Path,
        metavar="FILE",
        help="YAML file of who asks: name, contact, privacyUrl, consent",
    )
    parser.add_argument(
        "--console",
        action="store_true",
        help="also serve reports of groups at /console, after a login with an API key",
    )


def read_settings(options: argparse.Namespace) -> PagesSettings:
    """Return the settings of parsed options. Raises ValueError with the remedy."""
    return PagesSettings(
        read_base_path(options.base_path),
        read_networks(options.trust_proxy),
        Organisation() if options.organisation is None else read_organisation(options.organisation),
        console=options.console,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stanine.pages", description="Serves the pages for participants."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8001, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--api",
        default=os.environ.get("STANINE_API_URL", "http://127.0.0.1:8000"),
        help="address of the API (default: STANINE_API_URL, else %(default)s)",
    )
    add_settings(parser)
    return parser
