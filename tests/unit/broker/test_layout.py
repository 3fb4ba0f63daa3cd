"""Keys, heads, and the cost of importing the broker."""

import subprocess
import sys
from typing import Any

import dramatiq
import pytest
import redis

from stanine.broker import StreamsBroker
from stanine.broker.entry import head, read_entry, read_head
from stanine.broker.keys import queue_keys
from stanine.broker.library import library
from stanine.broker.producing import make_entry


def test_all_keys_of_a_queue_have_one_hash_tag() -> None:
    assert queue_keys("shop", "mail").ready == "shop:{mail}:ready"
    assert queue_keys("stanine:{p0}", "results").delayed == "stanine:{p0}:q:results:delayed"
    for namespace in ("shop", "stanine:{p0}"):
        keys = vars(queue_keys(namespace, "mail")).values()
        assert len({key[key.index("{") : key.index("}")] for key in keys}) == 1
        assert len(set(keys)) == 6


def test_the_head_is_constant_and_readable() -> None:
    broker = StreamsBroker("redis://unused")
    assert (
        broker.head("results", "score_attempts") == b'{"queue":"results","actor":"score_attempts"}'
    )
    assert read_head(head("q", "a")) == ("q", "a")
    for bad in (b"", b"[]", b"{}", b'{"queue":1,"actor":"a"}'):
        with pytest.raises(ValueError):  # noqa: PT011 - also JSONDecodeError
            read_head(bad)


def test_an_entry_reads_back_what_a_producer_made() -> None:
    message: Any = dramatiq.Message(
        "q", "a", (1,), {"b": "c"}, {"traceparent": "00-x", "max_age": 5}
    )
    made = make_entry(message, None)
    assert not made.ids
    entry = read_entry(b"1763600000000-3", [b"h", made.head, b"t", made.trace])
    assert entry is not None
    assert (entry.trace, entry.ids, entry.delivery, entry.created) == (
        b"00-x",
        None,
        1,
        1763600000000,
    )
    assert dramatiq.Message.decode(entry.head).options == {"max_age": 5}
    assert message.options["traceparent"] == "00-x", "the caller's message is left alone"


def test_a_broker_needs_a_url_and_clients_that_return_bytes() -> None:
    with pytest.raises(ValueError, match="url or a client"):
        StreamsBroker()
    with pytest.raises(ValueError, match="must not decode"):
        StreamsBroker(client=redis.Redis(decode_responses=True))


def test_functions_say_whether_they_may_run_when_memory_is_full() -> None:
    source = library().source
    flags = dict(
        line[len("register('") : -1].split("', ", 1)
        for line in source.splitlines()
        if line.startswith("register('")
    )
    flags = {name: rest.split(", ", 1)[1] for name, rest in flags.items()}
    assert {name for name, flag in flags.items() if flag == "{}"} == {
        "enqueue",
        "enqueue_unique",
        "delay",
        "revive",
        "requeue",
    }
    assert {name for name, flag in flags.items() if "no-writes" in flag} == {
        "held",
        "recall",
        "size",
        "stats",
    }
    assert all(
        "allow-oom" in flags[name]
        for name in ("ack", "retry", "reject", "release", "promote", "beat", "recover", "join")
    )


def test_the_broker_can_be_used_without_the_rest_of_stanine() -> None:
    script = "import sys, stanine.broker; print([name for name in ('msgspec', 'numpy', 'starlette', 'structlog') if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
