import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import structlog
from opentelemetry.sdk.trace import TracerProvider

from stanine.telemetry.logs import change_level, configure_logs, get_log


@pytest.fixture
def lines() -> Iterator[Any]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logs("test-service", "info", stream=stream, console=False)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_name_and_fields(lines: Any) -> None:
    get_log().info("attempts.scored", count=64)
    (line,) = lines()
    assert (line["event"], line["count"], line["service"], line["level"]) == (
        "attempts.scored",
        64,
        "test-service",
        "info",
    )
    assert line["timestamp"].endswith("Z")


def test_standard_library_logs_have_the_same_format(lines: Any) -> None:
    logging.getLogger("dramatiq.worker").warning("Worker %s is slow", "w1")
    (line,) = lines()
    assert (line["event"], line["logger"], line["level"]) == (
        "Worker w1 is slow",
        "dramatiq.worker",
        "warning",
    )


def test_a_line_within_a_span_carries_its_trace(lines: Any) -> None:
    with (
        TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("work") as span
    ):
        get_log().info("inside")
    get_log().info("outside")
    inside, outside = lines()
    assert inside["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert "trace_id" not in outside


def test_an_exception_stays_on_its_line(lines: Any) -> None:
    try:
        int("broken")
    except ValueError:
        get_log().exception("it.failed")
    (line,) = lines()
    assert "in test_an_exception_stays_on_its_line" in line["exception"]
    assert "builtins.ValueError" in line["exception"]


def test_exception_texts_that_may_contain_answers_are_withheld(lines: Any) -> None:
    sent = "".join(["ans", "wered"])
    try:
        try:
            int(sent)
        except ValueError as error:
            raise redis.ConnectionError("refused") from error
    except redis.ConnectionError:
        logging.getLogger("dramatiq.worker").exception("failed")
    (line,) = lines()
    assert "redis.exceptions.ConnectionError: refused" in line["exception"]
    assert "builtins.ValueError (text withheld" in line["exception"]
    assert "answered" not in line["exception"]


def test_a_password_in_a_url_never_reaches_the_log(lines: Any) -> None:
    try:
        int("redis://user:s3cret@host:6379/0")
    except ValueError:
        get_log().exception("redis.lost", url="rediss://:s3cret@host/1")
    logging.getLogger("redis").error("connecting to redis://:s3cret@host failed")
    assert len(lines()) == 2
    assert "s3cret" not in json.dumps(lines())


def test_an_unknown_level_is_rejected() -> None:
    with pytest.raises(ValueError, match="STANINE_LOG_LEVEL"):
        configure_logs("x", "loud")


def test_the_level_changes_at_run_time_and_is_restored(
    lines: Any,
) -> None:
    for level in ("Error", None, "Debug", "Warning", None):
        change_level(level)
        get_log().debug(f"debug at {level}")
        get_log().info(f"info at {level}")
        logging.getLogger("httpx").info("chatter")
    assert [line["event"] for line in lines()] == [
        "info at None",
        "debug at Debug",
        "info at Debug",
        "info at None",
    ]
