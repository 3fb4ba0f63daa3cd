"""Fingerprints of keys and participants are found after splits and collisions, on a real server."""

import random
from collections.abc import Iterator

import pytest
import redis
from tests.integration.store.attempting import (
    CONTENT,
    OTHER_CONTENT,
    OTHER_SPACE,
    SPACE,
    commit,
    everything,
    submission,
    submit,
)
from tests.integration.stores import Store, make_store

from stanine import store as store_package
from stanine.store.digests import CONTENT_BYTES, FINGERPRINT_BYTES
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES

#: With two initial buckets, split from two entries each, the levels begin at 8, 64, 512 and 4,096 entries.
FIRST_BITS, SPLIT_FROM = 1, 2
#: Fields probed for a key whose fingerprint other keys have.
PROBES = 8


@pytest.fixture
def small(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with few and small buckets."""
    monkeypatch.setitem(store_package._CONSTANTS, "FIRST_BITS", FIRST_BITS)
    monkeypatch.setitem(store_package._CONSTANTS, "SPLIT_FROM", SPLIT_FROM)
    made = make_store(redis_url)
    yield made
    made.client.close()


def buckets(store: Store, family: str) -> dict[int, list[str]]:
    """Return the keys of the buckets by level."""
    found: dict[int, list[str]] = {}
    for key in store.client.scan_iter(f"{store.keys.partition}:{family}:*", count=1000):
        found.setdefault(int(key.split(b":")[-2]), []).append(key.decode())
    return found


def entries(store: Store, family: str) -> int:
    return sum(store.client.hlen(key) for keys in buckets(store, family).values() for key in keys)


def test_keys_and_participants_are_found_after_splits(small: Store) -> None:
    chance = random.Random(11)
    ids: dict[str, bytes] = {}
    levels: set[tuple[int, ...]] = set()
    while len(ids) < 1500:
        fresh = [f"k{len(ids) + n}" for n in range(1 + len(ids) // 4)]
        known = chance.sample(sorted(ids), min(len(ids), 40))
        named = fresh + known
        chance.shuffle(named)
        found = small.submit(*[submission(key, participant=f"p-{key}") for key in named])
        assert [each.outcome for each in found] == [
            "repeated" if key in ids else "new" for key in named
        ]
        assert all(
            ids.setdefault(key, each.id) == each.id for key, each in zip(named, found, strict=True)
        )
        for family in ("k", "p"):
            assert (
                entries(small, family)
                == int(small.client.hget(small.keys.sizes, family))
                == len(ids)
            )
        levels.add(tuple(sorted(buckets(small, "k"))))
    assert {level for each in levels for level in each} >= {0, 1, 2, 3}
    assert any(len(each) == 2 for each in levels), "a level that is split in part"
    assert max(small.client.hlen(key) for keys in buckets(small, "k").values() for key in keys) < 30
    conflicts = small.submit(*[submission(key, content=OTHER_CONTENT) for key in list(ids)[:900]])
    assert {each.outcome for each in conflicts} == {"conflict"}
    for key in chance.sample(sorted(ids), 20):
        known_one = small.run(lambda s, key=key: s.attempts.known(1, SPACE, key, CONTENT))  # type: ignore[misc]
        assert known_one is not None
        assert known_one.id == ids[key]
        commit(small, [ids[key]], participants={0: f"p-{key}"})
        assert [attempt.id for attempt, _, _ in small.results_of_participant(f"p-{key}").items] == [
            ids[key]
        ]


def test_a_split_of_a_bucket_of_a_wrong_type_fails_before_any_write(
    small: Store,
) -> None:
    submit(small, *[submission(f"k{n}", participant=f"p{n}") for n in range(3)])
    for family in ("k", "p"):
        for bucket in range(16):
            name = f"{small.keys.partition}:{family}:1:{bucket}"
            small.client.lpush(name, "x")
            before = everything(small)
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                small.submit(*[submission(f"more-{n}", participant=f"more-{n}") for n in range(5)])
            assert everything(small) == before
            small.client.delete(name)
    assert (
        len(small.submit(*[submission(f"more-{n}", participant=f"more-{n}") for n in range(5)]))
        == 5
    )
    assert entries(small, "k") == entries(small, "p") == 8


def test_claims_are_reverted_if_a_later_bucket_has_a_wrong_type(
    store: Store,
) -> None:
    (other,) = buckets_of_keys(store, "k1")
    store.client.flushdb()
    store.client.lpush(other, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        store.submit(
            *[submission(f"first-{n}") for n in range(20)], submission("k1"), submission("last")
        )
    assert store.client.keys("*") == [other.encode()]
    store.client.delete(other)
    assert {each.outcome for each in store.submit(submission("first-0"), submission("k1"))} == {
        "new"
    }


def buckets_of_keys(store: Store, *keys: str) -> list[str]:
    store.submit(*[submission(key) for key in keys])
    return buckets(store, "k")[0]


def test_keys_with_the_same_fingerprint_are_distinct(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "stanine.store.attempts.key_fingerprint", lambda *_: b"\1" * FINGERPRINT_BYTES
    )
    places = [
        ("a", 1, SPACE),
        ("b", 1, SPACE),
        ("a", 2, SPACE),
        ("a", 1, OTHER_SPACE),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", 1, SPACE),
    ]
    first = store.submit(
        *[submission(key, number=number, key_space=space) for key, number, space in places]
    )
    assert [each.outcome for each in first] == ["new"] * len(places)
    assert len({each.id for each in first}) == len(places)
    later = store.submit(
        submission("c"),
        *[submission(key, number=number, key_space=space) for key, number, space in places[::-1]],
    )
    assert [each.outcome for each in later] == ["new"] + ["repeated"] * len(places)
    assert [each.id for each in later[1:]] == [each.id for each in first[::-1]]
    (conflict,) = store.submit(submission("b", content=OTHER_CONTENT))
    assert (conflict.id, conflict.outcome) == (first[1].id, "conflict")
    for (key, number, space), each in zip(places, first, strict=True):
        known = store.run(lambda s, at=(number, space, key): s.attempts.known(*at, CONTENT))  # type: ignore[misc]
        assert known is not None
        assert (known.id, known.outcome) == (each.id, "repeated")
    assert store.run(lambda s: s.attempts.known(1, SPACE, "d", CONTENT)) is None
    more = [submission(f"more-{n}") for n in range(PROBES - len(places) - 1)]
    assert {each.outcome for each in store.submit(*more)} == {"new"}
    before = everything(store)
    with pytest.raises(redis.ResponseError, match="too many keys have the same fingerprint"):
        store.submit(submission("one too many"))
    assert everything(store) == before


def test_entries_of_other_or_missing_attempts_are_ignored(
    store: Store,
) -> None:
    (bucket,) = buckets_of_keys(store, "k")
    (field,) = store.client.hkeys(bucket)
    store.client.flushdb()
    submit(store, submission("other"))
    for arrival in (0, 1, 7):  # the number of another attempt, of the next one, of a later one
        store.client.hset(
            bucket, field, arrival.to_bytes(ARRIVAL_BYTES, "big") + CONTENT[:CONTENT_BYTES]
        )
        assert store.run(lambda s: s.attempts.known(1, SPACE, "k", CONTENT)) is None
    (one,) = store.submit(submission("k"))
    assert one.outcome == "new"
    assert one.id[RANDOM_BYTES:] == (1).to_bytes(ARRIVAL_BYTES, "big")
    (again,) = store.submit(submission("k"))
    assert (again.id, again.outcome) == (one.id, "repeated")
