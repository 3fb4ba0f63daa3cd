"""The watchers as real processes.

Readiness, shutdown in time with everything released, recovery after outages.
"""

import asyncio
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.whole.invariants import Records
from tests.integration.whole.services import Services, eventually

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect_async
from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS, MessageRoute, Outbox
from stanine.store import load_library
from stanine.store.attempts import Attempts, Submission
from stanine.store.durability import Writer
from stanine.store.instruments import Instruments
from stanine.store.records import RANDOM_BYTES

GAD_7: Any = read_yaml(
    (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services(tmp_path)
    yield made
    made.stop()


def outbox(broker: StreamsBroker, route: MessageRoute) -> Outbox:
    return Outbox(broker.ready_key(route.queue), broker.head(route.queue, route.actor))


def submit(records: Records, url: str, count: int) -> None:
    """Publish GAD-7 and submit attempts directly to the store, one message each."""

    async def work() -> None:
        client = connect_async(url)
        writer = Writer(client, load_library())
        data = canonical(GAD_7)
        instruments = Instruments(client, writer, records.keys, outbox(records.broker, BUILD_INDEX))
        await instruments.publish("gad-7", data, digest(data), form_digest(parse_instrument(GAD_7)))
        attempts = Attempts(client, writer, records.keys, outbox(records.broker, SCORE_ATTEMPTS))
        for start in range(0, count, 1000):
            part = [
                Submission(
                    1,
                    1,
                    bytes(7),
                    secrets.token_bytes(16),
                    secrets.token_bytes(RANDOM_BYTES),
                    key=f"k{n}",
                )
                for n in range(start, min(start + 1000, count))
            ]
            await attempts.submit(part, ids_per_message=1)
        await client.aclose()

    asyncio.run(work())


def ready(services: Services, name: str) -> bool:
    return services.health(name, "/readyz").status_code == 200


def test_a_watcher_becomes_ready_when_redis_is_reachable(services: Services) -> None:
    services.start("result-watcher")
    eventually(lambda: services.health("result-watcher", "/readyz").status_code == 503, 20)
    eventually(lambda: "ConnectionRefused" in services.health("result-watcher", "/readyz").text, 20)
    assert services.health("result-watcher", "/healthz").status_code == 200
    assert "stanine_ready 0.0" in services.health("result-watcher", "/metrics").text
    services.start("valkey")
    eventually(
        lambda: ready(services, "result-watcher"), 20, lambda: services.log("result-watcher")
    )
    assert "stanine_ready 1.0" in services.health("result-watcher", "/metrics").text


def test_sigterm_finishes_the_running_batch_and_returns_the_rest(services: Services) -> None:
    services.start("valkey", "index-watcher")
    records = Records(services.redis_url, services.namespace)
    eventually(lambda: ready(services, "index-watcher"), 30)
    submit(records, services.redis_url, 30_000)
    services.start("result-watcher")
    eventually(lambda: records.sweep.committed() > 0, 30, lambda: services.log("result-watcher"))
    began = time.monotonic()
    assert services.terminate("result-watcher") == 0
    assert time.monotonic() - began < 25
    stats = records.broker.stats(SCORE_ATTEMPTS.queue)
    assert stats.in_flight == 0
    assert stats.ready == 30_000 - records.sweep.committed()
    assert stats.ready > 0, "it had nothing left to release: the test shows nothing"
    services.start("result-watcher")
    eventually(lambda: records.sweep.committed() == 30_000, 60)
    assert records.queues_at_rest()
    assert "Traceback" not in services.log("result-watcher")


def test_a_burst_of_signals_stops_a_watcher_as_one_does(services: Services) -> None:
    services.start("valkey")
    for _ in range(3):
        services.start("index-watcher")
        eventually(lambda: ready(services, "index-watcher"), 20)
        for _ in range(200):
            services.signal("index-watcher", signal.SIGTERM)
        assert services._processes["index-watcher"].wait(20) == 0


def test_a_watcher_reports_metrics_and_logs(services: Services) -> None:
    services.start("valkey", "index-watcher", "result-watcher")
    records = Records(services.redis_url, services.namespace)
    eventually(lambda: ready(services, "index-watcher") and ready(services, "result-watcher"), 30)
    submit(records, services.redis_url, 100)
    eventually(lambda: records.sweep.committed() == 100, 30)
    eventually(
        lambda: (
            'stanine_attempts_settled_total{outcome="scored"} 100.0'
            in services.health("result-watcher", "/metrics").text
        ),
        10,
    )
    text = services.health("result-watcher", "/metrics").text
    assert 'stanine_queue_entries{queue="results",state="ready"} 0.0' in text
    assert 'stanine_redis_pool_connections{pool="commands",state="allowed"}' in text
    assert '"event":"index.built"' in services.log("index-watcher").replace('": "', '":"')


def test_the_sweep_requeues_attempts_of_dead_messages(services: Services) -> None:
    services.start("valkey", "index-watcher", "result-watcher")
    records = Records(services.redis_url, services.namespace)
    eventually(lambda: ready(services, "index-watcher") and ready(services, "result-watcher"), 30)
    records.client.hset(records.keys.config, "sweepSeconds", 1)
    services.kill("result-watcher")
    submit(records, services.redis_url, 200)
    records.client.delete(records.broker.ready_key(SCORE_ATTEMPTS.queue))
    services.start("result-watcher")
    eventually(lambda: records.sweep.committed() == 200, 60, lambda: services.log("result-watcher"))
    eventually(records.queues_at_rest, 30)


def test_an_invalid_environment_is_reported_in_one_line(services: Services) -> None:
    services._environment["STANINE_NAMESPACE"] = "a:b"
    services.start("index-watcher")
    assert services._processes["index-watcher"].wait(20) == 2
    log = services.log("index-watcher")
    assert "STANINE_NAMESPACE" in log
    assert "Traceback" not in log
