"""One look at a server that nobody else has looked at: a broker may be used alone, without the bootstrap that checks it."""

import logging
from typing import Any

import redis
import redis.asyncio

from stanine.broker.connection.checks import find_problem
from stanine.broker.patience import TROUBLE

_logger = logging.getLogger(__name__)


class ServerLook:
    """Looks once in a broker's life, when it first uses the server, and logs what speaks against it. A refused look is no trouble."""

    def __init__(self) -> None:
        self._done = False

    def once(self, client: "redis.Redis") -> None:
        """Look, unless that was done."""
        if not self._done:
            self._done = True
            try:
                self._tell(client.info())
            except TROUBLE:
                return

    async def once_async(self, client: "redis.asyncio.Redis") -> None:
        """Look from asyncio, unless that was done."""
        if not self._done:
            self._done = True
            try:
                self._tell(await client.info())
            except TROUBLE:
                return

    def _tell(self, info: Any) -> None:
        problem = find_problem(info)
        if problem is not None and problem.permanent:
            _logger.error("This server does not fit the broker: %s", problem)
