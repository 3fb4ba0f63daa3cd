"""Instruments owned by a resource.

Protected from others, and removed completely if they have no attempts.
"""

import secrets
from typing import Any

import pytest
from tests.integration.store.attempting import SPACE
from tests.integration.store.test_instruments import builder, document, messages, publish
from tests.integration.stores import Store

from stanine.broker.connection.ownership import HOLD_MS, Owner
from stanine.domain.instruments.document import canonical, digest
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.domain.scoring.index import decode_entry
from stanine.store import load_library
from stanine.store.attempts import Submission
from stanine.store.digests import key_fingerprint, key_scope
from stanine.store.errors import InstrumentManagedError
from stanine.store.index import IndexView
from stanine.store.instruments import Published
from stanine.store.managed import ManagedInstruments, Removal
from stanine.store.records import RANDOM_BYTES

OLD = Owner("Instrument one/gad-7", "b-old", "2026-11-01T00:00:00Z", "east")
YOUNG = Owner("Instrument two/gad-7", "a-young", "2026-11-02T00:00:00Z", "west")


def managed(store: Store) -> ManagedInstruments:
    return ManagedInstruments(store.client, load_library(), store.keys, store.index_outbox)


def apply(store: Store, plain: dict[str, Any], manager: Owner = OLD, **options: Any) -> Published:
    data = canonical(plain)
    return managed(store).publish(
        "gad-7", data, digest(data), form_digest(parse_instrument(plain)), manager, **options
    )


def attempt(number: int, key: str | None = None) -> Submission:
    return Submission(
        number,
        1,
        bytes(7),
        secrets.token_bytes(16),
        secrets.token_bytes(RANDOM_BYTES),
        key_space=SPACE,
        key=key,
    )


def expire(store: Store) -> None:
    store.client.hset(store.keys.instrument("gad-7"), "managedUntil", 1)


def test_a_published_instrument_is_owned_until_the_hold_expires(store: Store) -> None:
    first, again = apply(store, document("A")), apply(store, document("A"))
    assert (first.revision, first.changed, again.revision, again.changed) == (1, True, 1, False)
    assert messages(store) == ["gad-7"]
    with pytest.raises(InstrumentManagedError, match="Instrument one/gad-7"):
        publish(store, document("B"))
    assert not publish(store, document("A")).changed
    seconds, _ = store.client.time()
    until = int(store.client.hget(store.keys.instrument("gad-7"), "managedUntil"))
    assert abs(until - seconds * 1000 - HOLD_MS) < 5_000
    expire(store)
    assert publish(store, document("B")).revision == 2


def test_the_older_of_two_resources_is_the_owner(store: Store) -> None:
    apply(store, document("A"), YOUNG)
    assert apply(store, document("B")).revision == 2
    for change in (
        lambda: apply(store, document("C"), YOUNG),
        lambda: managed(store).hold("gad-7", YOUNG, takes=True),
    ):
        with pytest.raises(InstrumentManagedError) as caught:
            change()
        assert caught.value.holder == OLD
    assert apply(store, document("C"), YOUNG, gone=OLD.uid).revision == 3


def test_hold_returns_the_state_and_takes_ownership_only_on_request(
    store: Store,
) -> None:
    desk = managed(store)
    assert desk.hold("gad-7", OLD, takes=True).revision == 0
    assert not store.client.exists(store.keys.instrument("gad-7")), (
        "what was never published is nobody's"
    )
    published = publish(store, document("A"))
    standing = desk.hold("gad-7", OLD, takes=False)
    assert (standing.revision, standing.form, standing.digest, standing.indexed) == (
        1,
        1,
        published.digest,
        0,
    )
    assert publish(store, document("B")).revision == 2
    builder(store).build(store.history.names())
    assert desk.hold("gad-7", OLD, takes=True).indexed == 2
    with pytest.raises(InstrumentManagedError):
        publish(store, document("C"))
    expire(store)
    desk.hold("gad-7", OLD, takes=False)
    with pytest.raises(InstrumentManagedError):
        publish(store, document("C"))


def test_an_instrument_without_attempts_is_removed_completely(store: Store) -> None:
    for title, text in (("A", "one"), ("B", "one"), ("C", "two")):
        apply(store, document(title, attribute=text))
    builder(store).build(store.history.names())
    store.index.refresh()
    assert len(store.index.entries) == 2
    assert managed(store).remove("gad-7", OLD) is Removal.REMOVED
    assert managed(store).remove("gad-7", OLD) is Removal.ABSENT
    assert (store.history.names(), store.history.history("gad-7"), store.history.name(1)) == (
        [],
        None,
        None,
    )
    assert store.run(lambda s: s.instruments.read("gad-7")) is None
    assert store.index.fields() == []
    store.index.refresh()
    assert len(store.index.entries) == 0, "who follows the index forgets the entries"
    builder(store).build(["gad-7"])  # a message in flight
    assert store.index.fields() == []


def test_a_republished_instrument_continues_revisions_with_a_new_number(
    store: Store,
) -> None:
    publish(store, document(name="other"))
    apply(store, document("A"))
    apply(store, document("B"))
    managed(store).remove("gad-7", OLD)
    publish(store, document(name="third"))
    again = apply(store, document("A"), YOUNG)
    assert (again.revision, again.form, again.changed) == (3, 3, True)
    history = store.history.history("gad-7")
    assert history is not None
    assert (history.number, history.newest_of_forms()) == (4, {3: 3})
    assert store.run(lambda s: s.instruments.read("gad-7", 1)) is None
    builder(store).build(store.history.names())
    builder(store).repair()
    assert sorted(store.index.fields()) == ["gad-7/3", "other/1", "third/1"]


@pytest.mark.parametrize("key", [None, "k1"])
def test_an_instrument_with_attempts_is_kept_without_owner(store: Store, key: str | None) -> None:
    apply(store, document("A"))
    store.submit(attempt(1, key))
    with pytest.raises(InstrumentManagedError):
        managed(store).remove("gad-7", YOUNG)
    assert managed(store).remove("gad-7", OLD) is Removal.HAS_ATTEMPTS
    assert publish(store, document("B")).revision == 2


def test_attempts_at_a_removed_instrument_are_rejected(store: Store) -> None:
    publish(store, document(name="other"))
    apply(store, document("A"))
    managed(store).remove("gad-7", OLD)
    outcomes = store.submit(attempt(1), attempt(2, "k1"), attempt(2), attempt(1, "k2"))
    assert [each.outcome for each in outcomes] == ["new", "gone", "gone", "new"]
    assert store.client.get(store.keys.arrivals) == b"2"
    assert store.client.hget(store.keys.sizes, "k") == b"1"
    (bucket,) = store.client.keys(f"{store.keys.partition}:k:*")
    assert store.client.hkeys(bucket) == [key_fingerprint(key_scope(SPACE, 1), b"k2")], (
        "the key of the other is free"
    )
    assert [each.outcome for each in store.submit(attempt(2, "k1"))] == ["gone"]
    assert store.client.hgetall(store.keys.answered) == {b"1": b"1"}


def test_an_entry_built_during_the_removal_is_removed(
    store: Store,
) -> None:
    apply(store, document("A"))
    built = builder(store)
    put = store.index.put

    def put_late(*args: Any, **options: Any) -> bool:
        managed(store).remove("gad-7", OLD)
        return put(*args, **options)

    store.index.put = put_late  # type: ignore[method-assign]
    built.build(["gad-7"])
    assert store.index.fields() == []


def test_caches_drop_removed_entries_only(store: Store) -> None:
    apply(store, document("A"))
    publish(store, document(name="other"))
    builder(store).build(store.history.names())
    fields = {
        field: decode_entry(store.client.hget(store.keys.index, field))
        for field in store.index.fields()
    }
    before = IndexView().changed("2 ab", fields)
    after = before.changed("6 cd", dict.fromkeys(("gad-7/1", "gad-7/2", "unknown/1", "nonsense")))
    assert (after.newest("gad-7"), after.numbered(1, 1)) == (None, None)
    assert after.newest("other") is not None
    assert after.numbered(2, 1) is not None
    assert (after.view, after.origin) == ("6 cd", before.origin)
    assert before.newest("gad-7") is not None, "a reader's view does not change under it"


def test_a_removal_with_a_key_of_a_wrong_type_fails_before_any_write(
    store: Store,
) -> None:
    apply(store, document("A"))
    store.client.set(store.keys.commits, "x")
    before = store.client.hgetall(store.keys.instrument("gad-7"))
    with pytest.raises(Exception, match="WRONGTYPE"):
        managed(store).remove("gad-7", OLD)
    assert store.client.hgetall(store.keys.instrument("gad-7")) == before
