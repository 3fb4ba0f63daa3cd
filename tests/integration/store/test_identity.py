"""Whole ids and index views identify records.

Numbers do not, because a server with older data assigns them again.
"""

import asyncio

import pytest
from tests.integration.store.attempting import (
    COMMIT,
    RESULT,
    commit,
    everything,
    submission,
    submit,
)
from tests.integration.store.test_instruments import builder, document, publish
from tests.integration.stores import AsyncStore, Store

from stanine.store.cursors import Cursor, Mark, tag_of
from stanine.store.errors import LostCursorError, StaleViewError
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import RANDOM_BYTES
from stanine.store.waiting import ResultWaiter

#: A view of data that the server does not have.
FOREIGN = "1 0123456789abcdef"


def index_two(store: Store, *names: str) -> None:
    for name in names:
        publish(store, document(name=name))
    builder(store).build(store.history.names())


def test_a_result_of_an_attempt_with_another_id_is_not_committed(store: Store) -> None:
    lost = submit(store, *[submission() for _ in range(BLOCK_SIZE + 8)])
    store.client.flushdb()
    here = submit(store, *[submission(participant="p") for _ in range(BLOCK_SIZE + 8)])
    assert [each[RANDOM_BYTES:] for each in lost] == [each[RANDOM_BYTES:] for each in here], (
        "the arrival numbers are the same"
    )
    before = everything(store)
    assert commit(store, lost, participants=dict.fromkeys(range(len(lost)), "p")) == 0
    assert everything(store) == before
    mixed = [each[n % 2] for n, each in enumerate(zip(lost, here, strict=True))]
    assert commit(store, mixed, participants=dict.fromkeys(range(len(lost)), "p")) == len(here) // 2
    assert [attempt.id for attempt, _, _ in store.results_of().items] == here[1::2]
    assert [attempt.id for attempt, _, _ in store.results_of_participant("p").items] == here[1::2]
    assert (
        commit(store, [each for pair in zip(lost, here, strict=True) for each in pair])
        == len(here) // 2
    ), "both ids of one number"


def test_a_waiter_with_an_id_of_other_data_gets_no_result(store: Store) -> None:
    (lost,) = submit(store, submission())
    store.client.flushdb()
    (here,) = submit(store, submission())

    async def wait(s: AsyncStore) -> None:
        waiter = ResultWaiter(s.client, store.keys, s.records)
        listening = asyncio.create_task(waiter.run())
        await asyncio.sleep(0.1)
        assert await waiter.wait(lost, 5) is None, "it is told at once"
        waiting = asyncio.create_task(waiter.wait(here, 5))
        await asyncio.sleep(0.05)
        await s.client.flushdb()
        (other,) = await s.attempts.submit([submission()])
        await asyncio.to_thread(commit, store, [other.id])
        assert await waiting is None, "the attempt went while it was waited for"
        listening.cancel()

    store.run(wait)


@pytest.mark.parametrize("view", [FOREIGN, "2 0123456789abcdef", "1", "1 zz"])
def test_a_view_of_other_data_is_rejected_for_reads_and_writes(store: Store, view: str) -> None:
    index_two(store, "gad-7")
    store.index.refresh()
    own = store.index.entries.now.view
    ids = submit(store, submission("k", view=own, participant="p"), submission())
    before = everything(store)
    with pytest.raises(StaleViewError):
        store.submit(submission("l"), submission("m", view=own), submission("n", view=view))
    with pytest.raises(StaleViewError):
        commit(store, ids, participants={0: "p"}, view=view)
    assert everything(store) == before
    assert commit(store, ids, participants={0: "p"}, view=own) == 2

    async def read(s: AsyncStore, which: str) -> bool:
        assert await s.records.read(ids[0], which) is not None
        page = await s.lists.of_instrument(1, Cursor(), 10, which)
        person = await s.lists.of_participant("p", Cursor(), 10, which)
        document = await s.instruments.read("gad-7", view=which)
        return (len(page.items), len(person.items), document is not None) == (2, 1, True)

    assert store.run(lambda s: read(s, own))
    assert store.run(lambda s: read(s, "")), "an empty view belongs to all data"

    async def all_refused(s: AsyncStore) -> None:
        for reading in (
            s.records.read(ids[0], view),
            s.lists.of_instrument(1, Cursor(), 10, view),
            s.lists.of_participant("p", Cursor(), 10, view),
            s.instruments.read("gad-7", view=view),
        ):
            with pytest.raises(StaleViewError):
                await reading

    store.run(all_refused)


def test_an_older_view_of_the_same_data_is_accepted(store: Store) -> None:
    index_two(store, "gad-7")
    store.index.refresh()
    older = store.index.entries.now.view
    index_two(store, "other")
    ids = submit(store, submission(view=older))
    assert commit(store, ids, view=older) == 1


def test_caches_of_lost_data_are_read_again_despite_the_same_number(
    store: Store,
) -> None:
    async def follow(s: AsyncStore) -> None:
        await asyncio.to_thread(index_two, store, "one", "two")
        await s.index.refresh()
        store.index.refresh()
        lost = s.index.entries.now
        await s.client.flushdb()
        await asyncio.to_thread(index_two, store, "two", "one")
        await s.index.refresh()
        store.index.refresh(store.client.get(store.keys.index_change).decode())
        for now in (s.index.entries.now, store.index.entries.now):
            assert now.change == lost.change
            assert now.view != lost.view
            assert now.origin != lost.origin
            assert (now.names, lost.names) == ({1: "two", 2: "one"}, {1: "one", 2: "two"})
            numbered = now.numbered(1, 1)
            assert numbered is not None
            assert numbered.name == "two"

    store.run(follow)


def test_the_sweep_creates_a_view_after_a_lost_token(
    store: Store,
) -> None:
    index_two(store, "gad-7")
    store.client.delete(store.keys.index_history)
    store.index.refresh()
    with pytest.raises(StaleViewError):
        store.submit(submission(view=store.index.entries.now.view))
    builder(store).repair()
    store.index.refresh()
    assert store.index.entries.newest("gad-7") is not None
    store.submit(submission(view=store.index.entries.now.view))
    view = store.client.get(store.keys.index_change)
    builder(store).repair()
    assert store.client.get(store.keys.index_change) == view, "a sound view stays"


def test_an_entry_of_a_foreign_document_is_rejected_and_replaced(
    store: Store,
) -> None:
    lost = publish(store, document("lost"))
    builder(store).build(store.history.names())
    entry = store.index.read("gad-7", 1)
    assert entry is not None
    store.client.flushdb()
    publish(store, document("here"))
    assert not store.index.put("gad-7", 1, entry, lost.digest), "a builder that is late"
    assert store.index.fields() == []
    store.client.hset(store.keys.index, "gad-7/1", entry)
    assert builder(store).repair().built == 1
    store.index.refresh()
    newest = store.index.entries.newest("gad-7")
    assert newest is not None
    assert newest.digest != lost.digest


@pytest.mark.parametrize(
    "mark", ["another commit", "another attempt", "beyond the end", "whole number"]
)
def test_a_cursor_of_another_history_yields_the_last_common_position(
    store: Store, mark: str
) -> None:
    ids = submit(store, *[submission(participant="p") for _ in range(3)])
    for attempt_id in ids:
        commit(store, [attempt_id], participants={0: "p"})
    first = Mark(1, tag_of(ids[0], COMMIT))
    wrong = {
        "another commit": Mark(2, tag_of(ids[1], b"0000")),
        "another attempt": Mark(2, tag_of(b"x" * RANDOM_BYTES + ids[1][RANDOM_BYTES:], COMMIT)),
        "beyond the end": Mark(9, tag_of(ids[2], COMMIT)),
        "whole number": Mark(2, b""),
    }[mark]
    for read in (store.results_of, lambda cursor: store.results_of_participant("p", cursor)):
        with pytest.raises(LostCursorError) as raised:
            read(cursor=Cursor((wrong, first)))
        assert raised.value.following == Cursor((first,)).encode()
        assert [attempt.id for attempt, _, _ in read(cursor=Cursor((first,))).items] == ids[1:]
        with pytest.raises(LostCursorError) as raised:
            read(cursor=Cursor((wrong,)))
        assert raised.value.following == Cursor().encode()


def test_a_recommitted_result_is_a_different_item_for_cursors(
    store: Store,
) -> None:
    ids = submit(store, submission(), submission())
    dump = {key: store.client.dump(key) for key in store.client.keys("*")}
    store.results.commit(1, ids, [RESULT, RESULT], {}, "")
    seen = store.results_of().next
    store.client.flushdb()
    for key, value in dump.items():
        store.client.restore(key, 0, value)
    again = RESULT.replace(COMMIT, b"more")
    commit(store, [ids[1]], [again])
    commit(store, [ids[0]], [again])
    with pytest.raises(LostCursorError):
        store.results_of(cursor=seen)
