"""Merging: every entry ends in exactly one place, in order, within the limits."""

from itertools import pairwise
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import AgeLimit
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker import BatchRefused, StreamsBroker
from stanine.broker.batch import BatchLimits, BatchPart, ids_of, limits_of, merge
from stanine.broker.entry import Entry, head
from stanine.broker.settings import QueueSettings

#: Dramatiq's Results is not annotated.
MakeResults: Any = Results
LIMITS = {head("q", "a"): BatchLimits("ids", 40, 64), head("q", "b"): BatchLimits("ids", 3, 1000)}
rows = st.lists(
    st.builds(
        lambda data, ids, trace, earlier: [
            *(b"h", data),
            *((b"i", ids) if ids else ()),
            *((b"t", trace) if trace else ()),
            *((b"n", b"%d" % earlier) if earlier else ()),
        ],
        st.sampled_from([*LIMITS, head("q", "unknown"), b"plain"]),
        st.binary(max_size=40),
        st.sampled_from([b"", b"", b"t1", b"t2"]),
        st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    ),
    max_size=120,
)


@given(rows)
def test_every_entry_ends_in_one_place_in_order_and_within_limits(
    fields: list[list[bytes]],
) -> None:
    numbered = [(b"%d-0" % number, row) for number, row in enumerate(fields, 1)]
    work, invalid = merge(numbered, LIMITS.get)
    assert invalid == []
    placed = [
        entry_id
        for item in work
        for entry_id in (item.entry_ids if isinstance(item, BatchPart) else [item.id])
    ]
    assert placed == [entry_id for entry_id, _ in numbered]
    given_fields = dict(numbered)
    for item in work:
        if isinstance(item, Entry):
            assert item.ids is None or item.head not in LIMITS
            continue
        members = [
            dict(zip(given_fields[entry_id][::2], given_fields[entry_id][1::2], strict=True))
            for entry_id in item.entry_ids
        ]
        assert {member[b"h"] for member in members} == {item.head}
        assert {int(member.get(b"n", 0)) + 1 for member in members} == {item.delivery}
        assert b"".join(item.chunks) == b"".join(member[b"i"] for member in members)
        assert list(item.traces) == list(
            dict.fromkeys(member[b"t"] for member in members if b"t" in member)
        )
        assert len(members) <= item.limits.at(item.delivery)
        assert len(members) == 1 or item.size <= item.limits.max_bytes


@given(rows)
def test_mergeable_entries_are_merged(fields: list[list[bytes]]) -> None:
    work, _ = merge([(b"%d-0" % number, row) for number, row in enumerate(fields, 1)], LIMITS.get)
    for first, second in pairwise(work):
        if (
            isinstance(first, BatchPart)
            and isinstance(second, BatchPart)
            and (first.head, first.delivery) == (second.head, second.delivery)
        ):
            assert first.room == 0 or first.size + len(second.chunks[0]) > first.limits.max_bytes


def test_rows_without_a_head_are_returned_separately() -> None:
    work, invalid = merge([(b"1-0", [b"w", b"9"]), (b"2-0", [b"x", b"y", b"i", b"1"])], LIMITS.get)
    assert work == []
    assert [entry_id for entry_id, _ in invalid] == [b"1-0", b"2-0"]


def test_limits_follow_the_delivery() -> None:
    limits = BatchLimits("ids", 512, 1000)
    assert [limits.at(delivery) for delivery in (1, 2, 3, 4, 9)] == [512, 32, 1, 1, 1]
    assert BatchLimits("ids", 5, 1000).at(2) == 5


def test_a_queue_may_lower_but_not_raise_an_actors_limits() -> None:
    broker = StreamsBroker("redis://unused")

    @dramatiq.actor(broker=broker, batch="ids", batch_max_messages=100)
    def take(ids: bytes) -> None: ...

    assert limits_of(take, QueueSettings()) == BatchLimits("ids", 100, 16384)
    assert limits_of(take, QueueSettings(batch_max_messages=10, batch_max_bytes=50)) == BatchLimits(
        "ids", 10, 50
    )
    assert limits_of(take, QueueSettings(batch_max_messages=1000)) == BatchLimits("ids", 100, 16384)


@pytest.mark.parametrize("options", [
    {"batch": "not a name"}, {"batch": 5}, {"batch_max_messages": 5},
    {"batch": "ids", "batch_max_messages": 0}, {"batch": "ids", "batch_max_bytes": True},
    {"batch": "ids", "store_results": True}, {"batch": "ids", "max_age": 5},
    {"batch": "ids", "max_retries": 3}, {"batch": "ids", "throws": ValueError},
])  # fmt: skip
def test_a_batch_actor_cannot_have_options_of_single_messages(options: dict[str, Any]) -> None:
    broker = StreamsBroker("redis://unused")
    broker.add_middleware(MakeResults(backend=StubBackend()))
    with pytest.raises(BatchRefused, match="take"):

        @dramatiq.actor(broker=broker, **options)
        def take(ids: bytes) -> None: ...

    assert broker.actors == {}


@pytest.mark.parametrize(
    "middleware", [AgeLimit(max_age=1000), MakeResults(backend=StubBackend(), store_results=True)]
)
def test_middleware_for_single_messages_conflicts_with_batch_actors(
    middleware: dramatiq.Middleware,
) -> None:
    broker = StreamsBroker("redis://unused", middleware=[middleware])
    with pytest.raises(BatchRefused):

        @dramatiq.actor(broker=broker, batch="ids")
        def take(ids: bytes) -> None: ...


@pytest.mark.parametrize(("args", "kwargs", "options"), [
    ((b"1",), {}, {}), ((), {"ids": "1"}, {}), ((), {"ids": b"1", "more": b"2"}, {}), ((), {"other": b"1"}, {}),
    ((), {"ids": b""}, {}), ((), {}, {}),
    ((), {"ids": b"1"}, {"pipe_target": {}}),
])  # fmt: skip
def test_a_batch_message_carries_only_its_ids(
    args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(BatchRefused):
        ids_of(dramatiq.Message("q", "a", args, kwargs, options), "ids")


def test_only_bytes_make_a_message_of_an_unknown_actor_a_batch_message() -> None:
    assert ids_of(dramatiq.Message("q", "a", (), {"any": b"12"}, {}), None) == b"12"
    assert ids_of(dramatiq.Message("q", "a", (), {"any": "12"}, {"max_age": 3}), None) is None
    assert ids_of(dramatiq.Message("q", "a", (1,), {}, {}), None) is None
