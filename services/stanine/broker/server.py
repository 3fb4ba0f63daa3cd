"""Server check for a broker that is used alone, without the bootstrap."""

import logging
from typing import Any

import redis
import redis.asyncio

from stanine.broker.connection.checks import find_problem
from stanine.broker.retries import REDIS_ERRORS

_logger = logging.getLogger(__name__)


class ServerCheck:
    """Checks the server once per broker, on first use, and logs its problem.

    Ignores a denied check.
    """

    def __init__(self) -> None:
        self._done = False

    def once(self, client: "redis.Redis") -> None:
        """Check the server unless that was done."""
        if not self._done:
            self._done = True
            try:
                self._log_problem(client.info())
            except REDIS_ERRORS:
                return

    async def once_async(self, client: "redis.asyncio.Redis") -> None:
        """Check the server from asyncio unless that was done."""
        if not self._done:
            self._done = True
            try:
                self._log_problem(await client.info())
            except REDIS_ERRORS:
                return

    def _log_problem(self, info: Any) -> None:
        problem = find_problem(info)
        if problem is not None and problem.permanent:
            _logger.error("This server is not suitable for the broker: %s", problem)
