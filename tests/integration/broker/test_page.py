"""docs/howto/use-the-broker.md is true: its blocks run in order, its settings and permissions are those there are."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker

from stanine.broker import StreamsBroker
from stanine.broker.dedupe import MODES
from stanine.broker.keys import queue_keys
from stanine.broker.settings import QueueSettings

PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "use-the-broker.md").read_text()
ADDRESS = "redis://localhost:6379/0"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def own_broker() -> Iterator[None]:
    """Restore Dramatiq's global broker afterwards."""
    before = dramatiq.broker.global_broker
    yield
    dramatiq.broker.global_broker = before


def run_page(url: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    try:
        for block in blocks("python"):
            exec(
                compile(block.replace(ADDRESS, url), "docs/howto/use-the-broker.md", "exec"), names
            )
    finally:
        for name in ("broker", "shop"):
            if isinstance(names.get(name), StreamsBroker):
                names[name].close()
    return names


def permitted(server_url: str) -> str:
    """Return the URL of a user with the permissions listed on the page."""
    (rules,) = blocks("acl")
    admin: Any = redis.Redis.from_url(server_url)
    admin.execute_command(
        "ACL", "SETUSER", "shop", "on", ">pw", "+eval", *rules.split()
    )  # the script belongs to the reader
    admin.close()
    return server_url.replace("redis://", "redis://shop:pw@")


def test_its_blocks_run_with_exactly_the_permissions_it_lists(
    own_server: Any, own_broker: None
) -> None:
    assert len(blocks("python")) >= 12
    server = own_server()
    admin: Any = redis.Redis.from_url(server.url)
    admin.hset(
        queue_keys("shop", "scores").settings, "rate_messages", 100_000
    )  # with a rate from the start, to cover that path
    names = run_page(permitted(server.url))
    assert sorted(mail[0][:3] for mail in names["mails"]) == ["ada", "ada", "ada", "ben", "cle"]
    assert len(names["seen"]) == 1000
    used = {name.removeprefix("cmdstat_").split("|")[0] for name in admin.info("commandstats")}
    admin.close()
    (rules,) = blocks("acl")
    listed = {rule[1:].split("|")[0] for rule in rules.split() if rule.startswith("+")}
    # The page shows no crash, no read-only call, and no server with databases or an older library.
    assert listed - used <= {"fcall_ro", "ping", "select", "info", "xclaim", "hello"}


def test_its_settings_match_the_code() -> None:
    table = PAGE.split("## Settings")[1].split("## Permissions")[0]
    named = set(
        re.findall(
            r"`([a-z_]+)`",
            "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")),
        )
    )
    assert named == {field.name for field in fields(QueueSettings)}
    for field in fields(QueueSettings):
        if isinstance(field.default, int) and field.name != "dead_max_age_ms":
            assert str(field.default) in table


def test_its_modes_match_the_code() -> None:
    assert re.findall(r'^\| `"([a-z]+)"` \|', PAGE, re.MULTILINE) == list(MODES)


def test_its_example_test_passes_and_leaves_nothing_in_flight(
    redis_url: str, own_broker: None
) -> None:
    names: dict[str, Any] = {"StreamsBroker": StreamsBroker, "dramatiq": dramatiq}
    exec(next(block for block in blocks("python") if "def test_a_mail_is_sent" in block), names)
    names["test_a_mail_is_sent"](redis_url)


def test_messages_of_redisbroker_are_migrated(redis_url: str, own_broker: None) -> None:
    names: dict[str, Any] = {"dramatiq": dramatiq}
    exec(next(block for block in blocks("python") if "def move(" in block), names)
    make: Any = RedisBroker
    client: Any = redis.Redis.from_url(redis_url)
    old, new = make(client=client, namespace="shop"), StreamsBroker(redis_url, namespace="shop")
    for broker in (old, new):
        broker.declare_queue("mails")
    for number in range(5):
        old.enqueue(dramatiq.Message("mails", "send", (number,), {}, {}))
    old.enqueue(dramatiq.Message("mails", "send", (5,), {}, {}), delay=60_000)
    next(old.consume("mails", prefetch=1, timeout=100))  # in flight in a worker that then ended
    names["move"](old, new, "mails")
    stats = new.stats("mails")
    assert (stats.ready, stats.delayed) == (5, 1)
    ((_, fields),) = client.xrange(new.ready_key("mails"), count=1)
    assert dramatiq.Message.decode(fields[b"h"]).options == {}
    assert old.client.hlen("shop:mails.msgs") == old.client.hlen("shop:mails.DQ.msgs") == 0
    new.close()
    client.close()
