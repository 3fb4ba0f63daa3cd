"""Publish instruments and maintain their index on a real server."""

from pathlib import Path
from typing import Any

import pytest
import redis
from tests.integration.stores import AsyncStore, Store

from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.domain.scoring.index import decode_entry
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import split_names
from stanine.store.check import inspect
from stanine.store.errors import DigestMismatchError
from stanine.store.instruments import Published

GAD_7: Any = read_yaml(
    (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()
)


def document(title: str = "A", *, name: str = "gad-7", attribute: str = "site") -> dict[str, Any]:
    """Return a document whose title is not part of its form and whose attribute is."""
    attributes = [{"id": attribute, "type": "Text"}]
    return {
        **GAD_7,
        "metadata": {"name": name},
        "spec": {**GAD_7["spec"], "title": title, "attributes": attributes},
    }


def publish(store: Store, plain: dict[str, Any], **options: Any) -> Published:
    data = canonical(plain)
    instrument = parse_instrument(plain)
    return store.run(
        lambda s: s.instruments.publish(
            plain["metadata"]["name"], data, digest(data), form_digest(instrument), **options
        )
    )


def builder(store: Store) -> IndexBuilder:
    return IndexBuilder(store.history, store.index, ENGINE_VERSION)


def messages(store: Store) -> list[str]:
    return split_names(
        b"".join(fields[b"i"] for _, fields in store.client.xrange(store.index_outbox.stream))
    )


def test_a_document_becomes_revision_1_with_its_message(store: Store) -> None:
    published = publish(store, document())
    assert (published.revision, published.form, published.changed) == (1, 1, True)
    assert messages(store) == ["gad-7"]
    stored = store.run(lambda s: s.instruments.read("gad-7"))
    assert stored is not None
    assert (stored.number, stored.revision, stored.document) == (1, 1, canonical(document()))


def test_the_same_document_again_changes_nothing(store: Store) -> None:
    publish(store, document())
    again = publish(store, document())
    assert (again.revision, again.changed) == (1, False)
    assert store.client.xlen(store.index_outbox.stream) == 1


def test_a_revision_of_the_same_structure_keeps_the_form(store: Store) -> None:
    publish(store, document("A"))
    second = publish(store, document("B"))
    third = publish(store, document("B", attribute="ward"))
    assert [(each.revision, each.form) for each in (second, third)] == [(2, 1), (3, 3)]
    history = store.history.history("gad-7")
    assert history is not None
    assert history.newest_of_forms() == {1: 2, 3: 3}


def test_earlier_revisions_are_unchanged(store: Store) -> None:
    publish(store, document("A"))
    publish(store, document("B"))
    first = store.run(lambda s: s.instruments.read("gad-7", 1))
    assert first is not None
    assert first.document == canonical(document("A"))
    assert store.run(lambda s: s.instruments.read("gad-7", 3)) is None


def test_a_publish_with_another_digest_as_precondition_fails(store: Store) -> None:
    published = publish(store, document("A"))
    publish(store, document("B"))
    with pytest.raises(DigestMismatchError):
        publish(store, document("C"), if_match=published.digest)
    with pytest.raises(DigestMismatchError):
        publish(store, document("C"), if_none_match=True)
    with pytest.raises(DigestMismatchError):
        publish(store, document(name="other"), if_match=published.digest)
    assert publish(store, document(name="other"), if_none_match=True).revision == 1


def test_a_retried_conditional_publish_returns_the_same_reply(store: Store) -> None:
    first = publish(store, document("A"))
    second = publish(store, document("B"), if_match=first.digest)
    assert publish(store, document("B"), if_match=first.digest).revision == second.revision


def test_instruments_are_listed_by_name_in_pages(store: Store) -> None:
    for name in ("b", "c", "a"):
        publish(store, document(name=name))
    first = store.run(lambda s: s.instruments.list(None, 2))
    rest = store.run(lambda s: s.instruments.list(first[-1].name, 2))
    assert [each.name for each in (*first, *rest)] == ["a", "b", "c"]


def test_a_wrong_type_fails_the_publish_before_anything_is_written(store: Store) -> None:
    store.client.set(store.index_outbox.stream, "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        publish(store, document())
    assert store.client.keys("*") == [store.index_outbox.stream.encode()]


def test_an_entry_is_built_for_each_form_with_its_newest_scoring(store: Store) -> None:
    for plain in (document("A"), document("B"), document("B", attribute="ward")):
        publish(store, plain)
    assert builder(store).build(["gad-7"]).built == 2
    store.index.refresh()
    entries = store.index.entries
    newest, first = entries.newest("gad-7"), entries.answered("gad-7", 1)
    assert newest is not None
    assert first is not None
    assert (newest.form, newest.revision) == (3, 3)
    assert (first.form, first.revision) == (1, 2)
    assert entries.numbered(1, 2) is first
    assert entries.answered("gad-7", 4) is None


def test_rebuilding_changes_nothing(store: Store) -> None:
    publish(store, document())
    builder(store).build(["gad-7"])
    change = store.client.get(store.keys.index_change)
    assert builder(store).build(store.history.names()).unchanged == 1
    assert store.client.get(store.keys.index_change) == change


def test_an_older_entry_never_replaces_a_newer_one(store: Store) -> None:
    first = publish(store, document("A"))
    builder(store).build(["gad-7"])
    old = store.index.read("gad-7", 1)
    publish(store, document("B"))
    builder(store).build(["gad-7"])
    assert old is not None
    assert not store.index.put("gad-7", 1, old, first.digest)
    data = store.index.read("gad-7", 1)
    assert data is not None
    assert decode_entry(data).revision == 2


def test_a_deleted_index_is_rebuilt_byte_for_byte(store: Store) -> None:
    publish(store, document("A"))
    publish(store, document("B", name="other"))
    builder(store).build(store.history.names())
    before = store.client.hgetall(store.keys.index)
    store.client.delete(store.keys.index, store.keys.index_changes)
    assert builder(store).repair().built == 2
    assert store.client.hgetall(store.keys.index) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry[:-1] + bytes([entry[-1] ^ 1]),
        lambda _: b"",
        lambda entry: b"\xff\xff\xff\xff\xff\xff" + entry[6:],
    ],
)
def test_a_corrupt_entry_is_replaced_regardless_of_its_header(store: Store, damage: Any) -> None:
    publish(store, document())
    builder(store).build(store.history.names())
    good = store.index.read("gad-7", 1)
    store.client.hset(store.keys.index, "gad-7/1", damage(good))
    assert inspect(store.history, store.index, store.sweep, ENGINE_VERSION).corrupt == ("gad-7/1",)
    assert builder(store).repair().built == 1
    assert store.index.read("gad-7", 1) == good


def test_an_entry_without_form_is_removed(store: Store) -> None:
    publish(store, document())
    builder(store).build(store.history.names())
    store.client.hset(store.keys.index, mapping={"gad-7/9": b"x", "gone/1": b"x", "": b"x"})
    builder(store).repair()
    assert store.index.fields() == ["gad-7/1"]


def test_missing_and_stale_entries_are_reported(store: Store) -> None:
    publish(store, document("A"))
    publish(store, document("A", name="other"))
    builder(store).build(["gad-7"])
    publish(store, document("B"))
    seen = inspect(store.history, store.index, store.sweep, ENGINE_VERSION)
    assert (seen.instruments, seen.missing, seen.stale) == (2, ("other/1",), ("gad-7/1",))


def test_the_cache_follows_changes_and_a_flushed_server(store: Store) -> None:
    async def follow(s: AsyncStore) -> None:
        data = canonical(document())
        await s.instruments.publish(
            "gad-7", data, digest(data), form_digest(parse_instrument(document()))
        )
        await s.index.refresh()
        assert s.index.entries.newest("gad-7") is None
        builder(store).build(store.history.names())
        await s.index.refresh()
        assert s.index.entries.newest("gad-7") is not None
        await s.client.flushdb()
        await s.index.refresh()
        assert s.index.entries.newest("gad-7") is None

    store.run(follow)


def test_a_view_read_before_another_threads_refresh_does_not_empty_the_cache(store: Store) -> None:
    publish(store, document("A"))
    builder(store).build(store.history.names())
    earlier = store.client.get(store.keys.index_change).decode()
    publish(store, document(name="other"))
    builder(store).build(store.history.names())
    store.index.refresh()
    entry = store.index.entries.newest("gad-7")
    store.index.refresh(earlier)
    assert store.index.entries.newest("gad-7") is entry
    assert store.index.entries.newest("other") is not None


def test_a_corrupt_entry_is_skipped_by_the_cache_and_reported(store: Store) -> None:
    publish(store, document())
    builder(store).build(store.history.names())
    store.client.hset(store.keys.index, "gad-7/1", b"nonsense")
    assert store.index.refresh() == ["gad-7/1"]
    assert store.index.entries.newest("gad-7") is None
