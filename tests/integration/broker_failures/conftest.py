"""A proxy that breaks connections, a ledger, and brokers with and without the proxy."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.broker_failures.fault_proxy import FaultProxy
from tests.integration.broker_failures.ledger import Ledger

from stanine.broker import StreamsBroker


@pytest.fixture
def proxy(valkey: Server, redis_url: str) -> Iterator[FaultProxy]:
    """A proxy in front of the test's server."""
    with FaultProxy(valkey.port) as made:
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_broker(redis_url: str) -> Iterator[Callable[..., StreamsBroker]]:
    """Create brokers on the test's server or another URL, in one namespace.

    Closed after the test.
    """
    made: list[StreamsBroker] = []

    def make(url: str = redis_url, **options: Any) -> StreamsBroker:
        broker = StreamsBroker(url, **{"namespace": "test", **options})
        made.append(broker)
        return broker

    yield make
    for broker in made:
        broker.close()
