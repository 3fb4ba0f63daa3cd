import threading
import time
from collections.abc import Iterator

from redis.exceptions import ConnectionError as RedisConnectionError

from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.metrics import QueueReading, expose, make_registry, watch_pool, watch_queues
from stanine.telemetry.watcher_metrics import IndexWatcherMetrics, ResultWatcherMetrics


def test_two_registries_in_one_process_are_independent() -> None:
    first, second = ApiMetrics(make_registry()), ApiMetrics(make_registry())
    first.attempts_accepted.inc(3)
    assert first.registry.get_sample_value("stanine_attempts_total", {"outcome": "accepted"}) == 3
    assert second.registry.get_sample_value("stanine_attempts_total", {"outcome": "accepted"}) == 0


def test_a_request_is_counted_by_route_method_and_status() -> None:
    metrics = ApiMetrics(make_registry())
    metrics.answered("GET", "/v1/instruments/{name}", 200, 0.004)
    metrics.answered("GET", "/v1/instruments/{name}", 404, 0.004)
    labels = {"method": "GET", "route": "/v1/instruments/{name}"}
    assert (
        metrics.registry.get_sample_value("stanine_http_requests_total", labels | {"status": "200"})
        == 1
    )
    assert (
        metrics.registry.get_sample_value("stanine_http_request_duration_seconds_count", labels)
        == 2
    )


def test_queues_are_read_when_scraped() -> None:
    registry = make_registry()
    readings = [QueueReading("results", ready=5, in_flight=2, delayed=1, dead=0, oldest_age=1.5)]
    watch_queues(registry, lambda: readings)
    readings[0] = QueueReading("results", ready=7, in_flight=2, delayed=1, dead=0, oldest_age=2.5)
    assert (
        registry.get_sample_value("stanine_queue_entries", {"queue": "results", "state": "ready"})
        == 7
    )
    assert (
        registry.get_sample_value("stanine_queue_oldest_age_seconds", {"queue": "results"}) == 2.5
    )


def test_queue_metrics_include_state_and_dead_letters_by_reason() -> None:
    registry = make_registry()
    watch_queues(
        registry, lambda: [QueueReading("results", 0, 0, 0, 3, 0.0, "Paused", {"ValueError": 7})]
    )
    assert (
        registry.get_sample_value("stanine_queue_state", {"queue": "results", "state": "Paused"})
        == 1
    )
    assert (
        registry.get_sample_value("stanine_queue_state", {"queue": "results", "state": "Running"})
        == 0
    )
    assert (
        registry.get_sample_value(
            "stanine_queue_deaths_total", {"queue": "results", "reason": "ValueError"}
        )
        == 7
    )


def test_unreadable_queues_are_omitted() -> None:
    def read() -> Iterator[QueueReading]:
        yield QueueReading("results", 1, 1, 1, 1, 1.0)
        raise RedisConnectionError("gone")

    registry = make_registry()
    watch_queues(registry, read)
    text = expose(registry, "")[0].decode()
    assert "stanine_queues_readable 0.0" in text
    assert "stanine_queue_entries{" not in text


def test_an_unresponsive_server_does_not_block_a_scrape() -> None:
    answers, begun = threading.Event(), []

    def read() -> list[QueueReading]:
        begun.append(1)
        answers.wait(10)
        return [QueueReading("results", 5, 0, 0, 0, 1.0)]

    registry = make_registry()
    watch_queues(registry, read, within=0.05)
    for _ in range(3):
        asked = time.monotonic()
        text = expose(registry, "")[0].decode()
        assert time.monotonic() - asked < 9  # not when the read ends, after 10 s
        assert "stanine_queues_readable 0.0" in text
        assert "stanine_queue_entries{" not in text
    assert len(begun) == 1, "readings pile up"
    answers.set()
    until = time.monotonic() + 5
    while registry.get_sample_value("stanine_queues_readable") != 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert (
        registry.get_sample_value("stanine_queue_entries", {"queue": "results", "state": "ready"})
        == 5
    )


def test_every_name_has_our_prefix_and_the_endpoint_speaks_prometheus() -> None:
    registry = make_registry()
    ApiMetrics(registry).watch_index(lambda: (9, 1), lambda: 1_700_000_000.0)
    watch_pool(registry, "records", lambda: (3, 32))
    text, content_type = expose(registry, "text/plain")
    assert content_type.startswith("text/plain")
    assert 'stanine_index_lookups_total{result="hit"} 9.0' in text.decode()
    assert 'stanine_redis_pool_connections{pool="records",state="in_use"} 3.0' in text.decode()
    names = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith(("stanine_", "process_", "python_")) for name in names)


def test_each_watcher_has_its_metrics() -> None:
    results, index = make_registry(), make_registry()
    ResultWatcherMetrics(results).batch_size.observe(64)
    IndexWatcherMetrics(index).built.inc()
    assert results.get_sample_value("stanine_score_batch_attempts_sum") == 64
    assert index.get_sample_value("stanine_index_builds_total", {"outcome": "built"}) == 1
