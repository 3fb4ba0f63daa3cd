"""Find attempts without results in bounded work, on a real server."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.store.attempting import commit, submission, submissions, submit
from tests.integration.stores import Store

from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import RANDOM_BYTES
from stanine.store.sweep import Sweep


def late(store: Store) -> list[int]:
    return [int(block) for block in store.client.zrange(store.keys.late, 0, -1)]


def found(store: Store) -> list[bytes]:
    return [each.id for each in store.sweep.unscored()]


def commands(store: Store, work: Callable[[], object]) -> int:
    """Return the number of commands on blocks during some work, including those in functions."""
    store.client.config_resetstat()
    work()
    stats: Any = store.client.info("commandstats")
    return sum(
        int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"])
        for name in ("hlen", "hgetall", "hkeys", "hget", "hmget")
    )


def test_the_sweep_finds_unscored_attempts_and_records_late_blocks(store: Store) -> None:
    ids = submit(store, *submissions(5 * BLOCK_SIZE))
    left = [ids[70], ids[130]]
    commit(store, [each for each in ids if each not in left])
    assert found(store) == left
    assert (store.sweep.low_water(), late(store)) == (5, [2, 4])
    assert [each.id for each in store.sweep.all_unscored()] == left
    commit(store, [ids[70]])
    assert found(store) == [ids[130]]
    assert late(store) == [4]
    commit(store, [ids[130]])
    assert found(store) == []
    assert (store.sweep.low_water(), late(store)) == (5, [])


def test_the_low_water_mark_stops_at_an_incomplete_block(store: Store) -> None:
    commit(store, submit(store, *submissions(BLOCK_SIZE + 1)))
    assert found(store) == []
    assert store.sweep.low_water() == 1
    last = submit(store, submission())
    assert found(store) == last
    assert late(store) == []


def test_the_sweep_continues_after_one_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanine.store.sweep.BLOCKS_PER_CALL", 2)
    ids = submit(store, *submissions(9 * BLOCK_SIZE))
    commit(store, ids[:-1])
    assert found(store) == [ids[-1]]
    assert (store.sweep.low_water(), late(store)) == (9, [8])


def test_an_old_unscored_attempt_has_constant_cost(
    store: Store,
) -> None:
    old = submit(store, submission())
    commit(store, submit(store, *submissions(BLOCK_SIZE - 1)))
    assert found(store) == old

    def look() -> None:
        assert found(store) == old

    costs = []
    for run in range(3):
        for start in range(run * 100 * BLOCK_SIZE, (run + 1) * 100 * BLOCK_SIZE, 1000):
            many = [
                submission(f"later-{n}")
                for n in range(start, min(start + 1000, (run + 1) * 100 * BLOCK_SIZE))
            ]
            commit(store, submit(store, *many))
        first = commands(store, look)
        assert 200 <= first < 230, "each block that is new is looked at once"
        costs.append(commands(store, look))
    assert late(store) == [0]
    assert store.sweep.low_water() == 301
    assert costs[0] == costs[1] == costs[2] < 20
    commit(store, old)
    assert found(store) == []
    assert late(store) == []


def test_a_pass_is_bounded_and_the_next_one_continues(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stanine.store.sweep.BLOCKS_PER_CALL", 4)
    monkeypatch.setattr("stanine.store.sweep.ADVANCES_PER_PASS", 2)
    monkeypatch.setattr("stanine.store.sweep.LATE_PER_PASS", 5)
    ids = submit(store, *submissions(20 * BLOCK_SIZE + 1))
    size = BLOCK_SIZE
    assert found(store) == ids[: 5 * size], "of eight blocks that were looked at, five"
    assert store.sweep.low_water() == 8
    assert found(store) == ids[5 * size : 10 * size]
    assert found(store) == ids[10 * size : 15 * size]
    assert found(store) == ids[15 * size : 20 * size]
    assert found(store) == ids[20 * size :], "the block that is not full"
    assert found(store) == ids[: 5 * size], "from the beginning again"
    assert [each.id for each in store.sweep.all_unscored()] == ids
    fresh = Sweep(store.client, store.sweep._library, store.keys)
    assert [each.id for each in fresh.all_unscored()] == ids


def test_a_requeued_attempt_is_queued_from_its_requeue(store: Store) -> None:
    (one,) = submit(store, submission())
    store.client.delete(store.outbox.stream)
    assert store.results.requeue([one]) == 1
    (waiting,) = store.sweep.unscored()
    ((entry, fields),) = store.client.xrange(store.outbox.stream)
    assert fields[b"i"] == one
    assert (waiting.queued_at, waiting.requeues) == (int(entry.split(b"-")[0]), 1)
    store.results.requeue([one])
    (waiting,) = store.sweep.unscored()
    assert waiting.requeues == 2
    store.sweep.forget_requeues()
    assert store.client.hlen(store.keys.requeued) == 1, "it still waits"
    commit(store, [one])
    store.sweep.forget_requeues()
    assert store.client.hlen(store.keys.requeued) == 0


def test_missing_attempts_are_not_requeued(store: Store) -> None:
    (one,) = submit(store, submission())
    store.client.delete(store.outbox.stream)
    other_data, never = (
        b"x" * RANDOM_BYTES + one[RANDOM_BYTES:],
        b"y" * RANDOM_BYTES + (999).to_bytes(5, "big"),
    )
    assert store.results.requeue([other_data, one, never]) == 1
    assert [fields[b"i"] for _, fields in store.client.xrange(store.outbox.stream)] == [one]
    assert store.client.hkeys(store.keys.requeued) == [one]
    store.client.hset(store.keys.requeued, mapping={other_data: "1:7", never: "1:7"})
    (waiting,) = store.sweep.unscored()
    assert waiting.requeues == 1, (
        "an attempt of other data with the same arrival number does not count"
    )
    store.sweep.forget_requeues()
    assert store.client.hkeys(store.keys.requeued) == [one]
