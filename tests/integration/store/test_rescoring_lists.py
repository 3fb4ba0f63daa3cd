"""Readers of the list of results during scoring, re-scoring and erasure, in any order: nothing is missed or given twice."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.store.test_rescoring import erase, finish, result, score, start
from tests.integration.stores import Store
from tests.integration.watchers.assessing import GAD_7, GAD_7_DOUBLED, attempt, publish, submit

from stanine.store.cursors import Cursor
from stanine.store.result_layout import ERASED

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("score"), st.integers(1, 40)),
        st.tuples(st.just("rescore"), st.booleans()),
        st.tuples(st.just("erase"), st.integers(0, 60)),
        st.tuples(st.just("read"), st.integers(1, 30)),
    ),
    min_size=1,
    max_size=10,
)


class PollingReader:
    """A program that follows the list, and keeps the last result of each attempt."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cursor = Cursor()
        self.seen: dict[bytes, bytes] = {}
        self.given: list[tuple[bytes, bytes]] = []

    def read(self, limit: int) -> bool:
        """Read a page; return whether it was the last."""
        page = self._store.results_of(cursor=self._cursor, limit=limit)
        for found, its, _ in page.items:
            self.seen[found.id] = its.commit
            self.given.append((found.id, its.commit))
        self._cursor = page.next
        return page.at_end


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(STEPS)
def test_a_reader_has_every_current_result_once_whatever_happens_between_its_pages(
    store: Store, steps: list[tuple[str, int]]
) -> None:
    store.client.flushall()
    publish(store)
    ids: list[bytes] = []
    early, late = PollingReader(store), PollingReader(store)
    doubled = False
    for what, number in steps:
        if what == "score":
            new = submit(
                store,
                *[
                    attempt(bytes([n % 4] * 7), participant=f"p{n % 3}" if n % 2 else None)
                    for n in range(number)
                ],
            )
            score(store, new)
            ids += new
        elif what == "rescore":
            doubled = not doubled
            publish(store, GAD_7_DOUBLED if doubled else GAD_7)
            start(store, dry_run=bool(number))
            finish(store)
        elif what == "erase" and number < len(ids):
            erase(store, ids[number])
        elif what == "read":
            early.read(number)
    for reader in (early, late):
        while not reader.read(7):
            pass
        assert len(reader.given) == len(set(reader.given)), "no result is given twice"
        current = {each: result(store, each) for each in ids}
        for each, its in current.items():
            if its.kind != ERASED:
                assert reader.seen[each] == its.commit
    assert len(late.given) == sum(its.kind != ERASED for its in current.values())
    people = {
        found.id
        for person in ("p0", "p1", "p2")
        for found, _, _ in store.results_of_participant(person).items
    }
    kept = {each for each, its in current.items() if its.kind != ERASED}
    assert people <= kept
