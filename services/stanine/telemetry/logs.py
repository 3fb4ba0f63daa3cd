"""Structured logs: named events with fields, as JSON lines on stderr (text on a terminal).

Configured once by every `main`. Standard library logging (dramatiq, uvicorn, redis) uses the same stream and format.
Events contain ids and counts, never answers, keys or tokens; passwords in URLs are masked.
"""

import logging
import os
import re
import sys
import traceback
from typing import Any, TextIO, cast

import dramatiq
import msgspec
import redis
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from stanine.domain.errors import StanineError

#: The environment variable that sets the level: DEBUG, INFO (default), WARNING, ERROR.
LEVEL_VARIABLE = "STANINE_LOG_LEVEL"

#: Loggers that are limited to warnings, since they log every step at INFO.
_CHATTY = ("httpx", "httpcore", "asyncio", "dramatiq.broker")

#: Exceptions whose text never contains user input.
_SAFE_EXCEPTIONS = (
    redis.RedisError,
    OSError,
    StanineError,
    ImportError,
    dramatiq.errors.DramatiqError,
)

#: The level at process start, and the current one. Global, since a process has one log stream.
_levels = {"started": "", "current": ""}

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_ENCODER = msgspec.json.Encoder(enc_hook=repr)


def configure_logs(
    service: str,
    level: str | None = None,
    *,
    stream: TextIO | None = None,
    console: bool | None = None,
) -> None:
    """Send the process's logs, from structlog and standard logging, to `stream` (default stderr).

    `service` is added to every event. `console` selects text instead of JSON; the default is text on a terminal. Raises
    ValueError for an unknown level.
    """
    stream = stream or sys.stderr
    level = (level or os.environ.get(LEVEL_VARIABLE) or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise ValueError(
            f"{level!r} is not a log level; use DEBUG, INFO, WARNING or ERROR (in {LEVEL_VARIABLE})"
        )
    if console is None:
        console = stream.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_service(service),
        add_trace,
        structlog.processors.ExceptionRenderer(describe_exception),
        mask_credentials,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if console
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.getLogger().handlers[:] = [handler]
    _levels.update(started=level, current="")
    change_level()


def change_level(level: str | None = None) -> None:
    """Change the log level at run time, in any case (Debug, Info, …).

    Without a level, restore that of `configure_logs`.
    """
    wanted = (level or _levels["started"]).upper()
    if wanted in {"", _levels["current"]}:
        return  # setting a level, even the same, clears every logger's cache
    _levels["current"] = wanted
    root = logging.getLogger()
    root.setLevel(wanted)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get_log(**fields: Any) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events carry `fields`: `log.info("attempts.scored", count=64)`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(**fields))


def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the current span's trace_id and span_id in lower-case hex, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def mask_credentials(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask `user:password@` in every URL within the event's texts."""
    for name, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[name] = _CREDENTIALS.sub("***@", value)
    return event


def describe_exception(exc_info: ExcInfo) -> str:
    """Return the stack and the types of an exception and its causes, and texts known to be safe.

    A ValueError's text may contain user input; texts of Redis, the system and our own errors name places and reasons
    only.
    """
    parts = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        text = (
            f": {error}"
            if isinstance(error, _SAFE_EXCEPTIONS)
            else " (text withheld: it may contain user input)"
        )
        parts.append(
            "".join(traceback.format_tb(error.__traceback__))
            + f"{type(error).__module__}.{type(error).__qualname__}{text}"
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\ncaused by:\n".join(parts)


def _add_service(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _to_json(event: EventDict, **_options: Any) -> str:
    return _ENCODER.encode(event).decode()
