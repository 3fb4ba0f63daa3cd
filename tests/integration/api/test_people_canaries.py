"""Personal data, answers and credentials never appear in logs, traces, metrics or key names."""

import io
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.conftest import Server
from tests.integration.api.filling import NAME, Person, day, invite, start
from tests.integration.api.serving import Serving, write_keys

from stanine.telemetry.logs import configure_logs


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """The log of a Stanine process, set up as in its `main`."""
    stream = io.StringIO()
    configure_logs("api", "Debug", stream=stream, console=False)
    structlog.configure(
        cache_logger_on_first_use=False
    )  # the loggers of other tests remain unchanged
    yield stream
    structlog.reset_defaults()


def test_no_canary_leaves_the_records(valkey: Server, tmp_path: Path, logs: io.StringIO) -> None:
    path = tmp_path / "keys.json"
    write_keys(path)
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    api = Serving(valkey.url, f"api-canary-{secrets.token_hex(4)}", path, provider)
    try:
        api.until_ready().publish(day())
        invited = invite(
            api,
            key="canary-key",
            participant="canary-person",
            attributes={"sex": "female"},
            show="Participant",
        )
        person = Person(api, start(api, invited["code"]))
        person.save(1, {"note": "canary-note", "calm": 1})
        person.save(1, {"note": "canary-older"})
        person.save(2, {"calm": "canary-wrong", "canary-item": 1})
        person.submit()
        broken = Person(
            api, start(api, invite(api, participant="canary-broken", timeLimitSeconds=1)["code"])
        )
        broken.save(1, {"note": "canary-broken-note"})
        api.redis.hset(api.keys.session(bytes.fromhex(broken.id)), "Anote", b"canary no json")
        broken.submit()
        api.http(broken.token).get(f"/v1/sessions/{broken.id}")
        while not api.redis.zcount(
            api.keys.sessions_due, "-inf", api.redis.time()[0] * 1000 - 12_000
        ):
            api.sweep_sessions()
        api.sweep_sessions()
        person.save(3, {"calm": 1, "drink": 0})
        done = person.submit().json()
        api.score(done)
        api.http(done["attemptToken"]).get(f"/v1/attempts/{done['attempt']}/result")
        api.http().post(
            f"/v1/instruments/{NAME}/invitations",
            json={"key": "canary-key", "participant": "canary-other"},
        )
        api.http().post("/v1/participants/canary-person:erase")
        metrics = api.http().get("/metrics").text
        client: Any = api.redis
        names = b" ".join(client.scan_iter(match=f"*{api.keys.partition}*", count=1000)).decode()
    finally:
        api.stop()
    spans = " ".join(span.to_json() for span in exporter.get_finished_spans())
    assert "participant.erased" in logs.getvalue()
    assert "request.failed" in logs.getvalue()
    assert "/v1/sessions/{id}" in spans
    held = ["canary-", "canary no json", invited["code"], person.token, done["attemptToken"]]
    # the namespace of this test contains the word
    for where, text in {
        "logs": logs.getvalue(),
        "spans": spans,
        "metrics": metrics,
        "key names": names,
    }.items():
        for secret in held:
            assert secret not in text.replace("api-canary-", ""), where
