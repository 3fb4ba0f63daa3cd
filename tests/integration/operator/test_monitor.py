"""Reports of the server monitor for servers that stop and return, poll by poll."""

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from tests.conftest import Server, stop_server
from tests.integration.operator.contexts import Environment

from stanine_operator.controller.problems import OperatorProblem
from stanine_operator.controller.resource import Resource
from stanine_operator.redis_servers.monitor import ServerMonitor

#: Seconds for a probe to complete.
PATIENCE = 30


class Monitored:
    """A monitor of one RedisConfig."""

    def __init__(
        self, environment: Environment, config: Resource, *, seen: str | None = None
    ) -> None:
        self.environment, self.config = environment, config
        self.reported: list[Any] = []
        self.monitor = ServerMonitor(
            environment.connections, self.reported.append, lambda _key: seen
        )
        self.executor = ThreadPoolExecutor(1)

    async def poll(self) -> int:
        """Poll once; return the number of reports."""
        before = len(self.reported)
        self.monitor._probe_all(self.executor)
        async with asyncio.timeout(PATIENCE):
            while self.monitor._probing:  # noqa: ASYNC110 - a thread answers, no event tells
                await asyncio.sleep(0.01)
        return len(self.reported) - before

    def refresh(self) -> bool:
        """Open the server as a reconciliation does; return whether it answers."""
        try:
            self.environment.connections.invalidate(self.config.key)
            self.environment.connections.open(self.config)
        except OperatorProblem:
            return False
        return True


def test_a_server_that_fails_again_after_recovery_is_reported(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    environment = Environment(server.port)
    probe = Monitored(environment, environment.redis())

    async def work() -> None:
        nonlocal server
        assert probe.refresh()
        assert [await probe.poll() for _ in range(2)] == [0, 0]
        for _ in range(
            2
        ):  # it stops, is reported, returns, is reconciled, and stops before the next poll
            stop_server(server, signal.SIGKILL)
            assert await probe.poll() == 1
            assert await probe.poll() == 1, "as long as a turn's word is that it is well"
            assert not probe.refresh()
            assert await probe.poll() == 0, "a turn knows"
            server = own_server(port=server.port)
            probe.environment.connections._entries[probe.config.key].problem_since = float("-inf")
            assert probe.refresh()
        assert await probe.poll() == 1, "another process"
        assert await probe.poll() == 0

    asyncio.run(work())
    environment.connections.close()


@pytest.mark.parametrize(("seen", "reported"), [("another", 1), (None, 0)])
def test_a_server_restarted_since_its_reconciliation_is_reported_by_the_first_probe(
    own_server: Callable[..., Server], seen: str | None, reported: int
) -> None:
    environment = Environment(own_server().port)
    probe = Monitored(environment, environment.redis(), seen=seen)

    async def work() -> None:
        assert probe.refresh()
        assert [await probe.poll() for _ in range(2)] == [reported, 0]

    asyncio.run(work())
    environment.connections.close()


def test_a_server_that_rejects_info_is_not_reported(
    own_server: Callable[..., Server],
) -> None:
    server = own_server()
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-info")
    environment = Environment(server.port)
    probe = Monitored(environment, environment.redis())

    async def work() -> None:
        assert probe.refresh()
        assert [await probe.poll() for _ in range(3)] == [0, 0, 0]

    asyncio.run(work())
    environment.connections.close()
