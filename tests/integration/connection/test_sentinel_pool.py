"""The API limits its connections to a primary behind Sentinel, whatever the load."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server, free_port, valkey_binary

from stanine.broker.connection.clients import connect_async


@pytest.mark.parametrize("behind_sentinel", [True, False])
def test_requests_wait_for_a_free_connection(
    own_server: Callable[..., Server], tmp_path: Path, behind_sentinel: bool
) -> None:
    server, port = own_server(), free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {server.port} 1\n"
    )
    with (tmp_path / "sentinel.log").open("ab") as log:
        sentinel = subprocess.Popen(
            [valkey_binary(), str(config), "--sentinel"], stdout=log, stderr=subprocess.STDOUT
        )

    async def many_at_once() -> tuple[list[Any], set[str]]:
        client: Any = connect_async(
            f"redis+sentinel://127.0.0.1:{port}/main" if behind_sentinel else server.url,
            pool_size=3,
        )
        async with asyncio.timeout(20):
            while not await _answers(client):  # noqa: ASYNC110 - the sentinel is starting and has no signal for it
                await asyncio.sleep(0.1)
            answers = await asyncio.gather(*(client.blpop("nothing", 0.05) for _ in range(30)))
            used = {
                each["id"]
                for each in await client.client_list(_type="normal")
                if each["cmd"].startswith(("blpop", "client"))
            }
        await client.aclose()
        for each in getattr(
            getattr(client.connection_pool, "sentinel_manager", None), "sentinels", ()
        ):
            await each.aclose()
        return answers, used

    try:
        answers, used = asyncio.run(many_at_once())
    finally:
        sentinel.terminate()
        sentinel.wait(10)
    assert answers == [None] * 30
    assert 1 < len(used) <= 3


async def _answers(client: Any) -> bool:
    try:
        return bool(await client.ping())
    except (OSError, redis.RedisError):
        return False
