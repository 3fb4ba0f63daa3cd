"""Retries during outages, with backoff. Used by the consumer, the keeper and actors.

Waiting here avoids the Worker's fixed pauses of 3 and 5 seconds.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from dramatiq.errors import BrokerConnectionError

from stanine.broker.connection.clients import drop_idle_connections
from stanine.broker.connection.errors import PRIMARY_DOWN, READ_ONLY, ServerProblem, classify
from stanine.broker.pauses import Pauses, jittered

T = TypeVar("T")

#: Dramatiq's errors are not annotated.
_make_error: Any = BrokerConnectionError

#: Exceptions that a Redis operation may raise.
REDIS_ERRORS = (redis.RedisError, OSError)
#: Problems of a server that is not the primary (any more): a new connection may reach the primary.
FAILED_OVER = (READ_ONLY, PRIMARY_DOWN)
#: Seconds: first and maximum pause between attempts.
PAUSE_MIN, PAUSE_MAX = 0.05, 1.0
#: Seconds: maximum pause between attempts after a permanent problem.
PAUSE_PERMANENT = 10.0
#: Seconds that an actor retries before its batch counts as failed and is split: longer than a failover, or a full disk
#: that is noticed.
ACTOR_RETRY_SECONDS = 300.0
#: Seconds: default for how long an operation is retried.
RETRY_SECONDS = 10.0


def connection_error(
    error: BaseException, client: "redis.Redis | None" = None
) -> BrokerConnectionError:
    """Return the BrokerConnectionError for a Redis error: reason and remedy, without data."""
    if client is not None and classify(error) in FAILED_OVER:
        drop_idle_connections(client)
    made: BrokerConnectionError = _make_error(str(classify(error)))
    return made


class Backoff:
    """Exponential backoff with jitter.

    Logs when a problem begins, changes and ends. Thread-safe.
    """

    def __init__(
        self, logger: logging.Logger, doing: str, client: "redis.Redis | None" = None
    ) -> None:
        self._logger = logger
        self._doing = doing
        self._client = client
        self._pauses = Pauses(PAUSE_MIN, PAUSE_MAX)
        self._reason: str | None = None
        self._lock = threading.Lock()

    def failed(self, error: BaseException) -> tuple[ServerProblem, float]:
        """Record a failure; return the problem and the seconds to wait."""
        problem = classify(error)
        with self._lock:
            is_news, self._reason = problem.reason != self._reason, problem.reason
            longest = PAUSE_PERMANENT if problem.permanent else PAUSE_MAX
            pause = jittered(self._pauses.next(longest))
        if is_news:
            self._logger.log(
                logging.ERROR if problem.permanent else logging.WARNING,
                "%s failed: %s",
                self._doing,
                problem,
            )
        if problem in FAILED_OVER and self._client is not None:
            drop_idle_connections(self._client)
        return problem, pause

    def succeeded(self) -> None:
        """Record a success.

        Call it only for operations that the problem would affect: a server that rejects writes still answers reads.
        """
        if self._reason is None:
            return
        with self._lock:
            reason, self._reason = self._reason, None
            self._pauses.reset()
        if reason is not None:
            self._logger.warning("%s works again after %s", self._doing, reason)


def call_with_retries(
    operation: Callable[[], T],
    backoff: Backoff,
    *,
    timeout: float = RETRY_SECONDS,
    closing: threading.Event | None = None,
) -> T:
    """Retry an idempotent operation until it succeeds or `timeout` seconds have passed.

    Raises BrokerConnectionError then, and immediately for permanent problems. With `closing`, every problem is retried,
    without time limit, until `closing` is set.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            result = operation()
        except REDIS_ERRORS as error:
            problem, pause = backoff.failed(error)
            if closing is None and (problem.permanent or time.monotonic() + pause > deadline):
                raise connection_error(error) from error
            if closing is None:
                time.sleep(pause)
            elif closing.wait(pause):
                raise connection_error(error) from error
        else:
            backoff.succeeded()
            return result
