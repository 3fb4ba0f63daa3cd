"""Cursors round-trip, their marks reach far back, and lists match no mark of another history."""

import asyncio
import itertools
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.store.cursors import (
    MAX_CURSOR,
    MAX_MARKS,
    UNKNOWN,
    Cursor,
    Mark,
    SealedCursor,
    move_on,
    read_cursor,
    tag_of,
)
from stanine.store.errors import LostCursorError
from stanine.store.keys import Keys
from stanine.store.lists import ResultLists
from stanine.store.records import ARRIVAL_BYTES, RANDOM_BYTES, attempt_record
from stanine.store.result_layout import result_start

#: An item of a list: number of the attempt and of its commit.
Item = tuple[int, int]

tags = st.binary(min_size=8, max_size=8)
cursors = st.lists(st.integers(1, 2**40 - 1), max_size=MAX_MARKS, unique=True).flatmap(
    lambda positions: st.tuples(*[tags] * len(positions)).map(
        lambda found: Cursor(
            tuple(Mark(*mark) for mark in zip(sorted(positions, reverse=True), found, strict=True))
        )
    )
)


@given(cursors)
def test_cursors_round_trip(cursor: Cursor) -> None:
    text = cursor.encode()
    assert read_cursor(text) == cursor
    assert len(text) <= MAX_CURSOR
    assert text.replace("-", "").replace("_", "").isalnum(), "it needs no escapes in an address"


@given(cursors.filter(lambda cursor: cursor.marks != ()), st.data())
def test_texts_that_are_not_cursors_are_rejected(cursor: Cursor, data: st.DataObject) -> None:
    text = cursor.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = [
        text[:-1], text + "A", text + "=", text + "\n", text[:place] + "*" + text[place:], text[:place] + " " + text[place:],
        "B" + text[1:], Cursor((*cursor.marks, cursor.marks[-1])).encode(),
        Cursor((*cursor.marks, Mark(0, bytes(8)))).encode(),
    ]  # fmt: skip
    if len(cursor.marks) > 1:
        wrong.append(Cursor(cursor.marks[::-1]).encode())
    for each in wrong:
        with pytest.raises(ValueError, match="a cursor"):
            read_cursor(each)


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda data: data.decode("latin-1")))
def test_arbitrary_texts_raise_only_value_errors(text: str) -> None:
    try:
        cursor = read_cursor(text)
    except ValueError:
        return
    if isinstance(cursor, SealedCursor):
        assert cursor.open([bytes(32)]) == UNKNOWN
    else:
        assert cursor.encode() == text or int(text) == cursor.position


@given(
    cursors.filter(lambda cursor: cursor.marks != ()),
    st.binary(min_size=32, max_size=32),
    st.data(),
)
def test_a_sealed_cursor_hides_its_marks_and_needs_its_secret(
    cursor: Cursor, secret: bytes, data: st.DataObject
) -> None:
    text = cursor.seal(secret)
    assert len(text) <= MAX_CURSOR
    assert text == cursor.seal(secret), "the same place gives the same text"
    sealed = read_cursor(text)
    assert isinstance(sealed, SealedCursor)
    assert sealed.open([bytes(31) + b"x", secret]) == cursor, (
        "also with a secret that is no longer the current one"
    )
    assert sealed.open([bytes(31) + b"x"]) == UNKNOWN
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert not any(mark.tag in raw for mark in cursor.marks)
    place = data.draw(st.integers(1, len(raw) - 1))
    forged = (
        urlsafe_b64encode(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        .rstrip(b"=")
        .decode()
    )
    found = read_cursor(forged)
    assert isinstance(found, SealedCursor)
    assert found.open([secret]) == UNKNOWN


def test_the_beginning_is_not_sealed() -> None:
    assert Cursor().seal(bytes(32)) == Cursor().encode()


def plain(text: str) -> Cursor:
    cursor = read_cursor(text)
    assert isinstance(cursor, Cursor)
    return cursor


def test_integers_are_cursors_that_match_no_list() -> None:
    assert read_cursor("0") == Cursor()
    for number in (1, 9, 2**40 + 1):
        (mark,) = plain(str(number)).marks
        assert (mark.position, mark.tag) == (number, b"")
    for text in ("-1", "1.0", "1e3", "9" * 17, "٣", ""):
        with pytest.raises(ValueError, match="a cursor"):
            read_cursor(text)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=300))
def test_a_cursor_keeps_few_marks_and_the_first_one_of_all(steps: list[int]) -> None:
    cursor, position, positions = Cursor(), 0, []
    for step in steps:
        position += step
        positions.append(position)
        cursor = move_on(cursor, Mark(position, position.to_bytes(8, "big")))
        kept = [mark.position for mark in cursor.marks]
        assert len(kept) == min(len(positions), MAX_MARKS)
        assert kept == sorted(set(kept), reverse=True)
        assert (kept[0], kept[-1]) == (positions[-1], positions[0])
        assert set(kept) <= set(positions)
        assert all(mark.tag == mark.position.to_bytes(8, "big") for mark in cursor.marks)


def test_the_distances_of_the_marks_about_double() -> None:
    cursor = Cursor()
    for position in range(1, 129):
        cursor = move_on(cursor, Mark(position, bytes(8)))
        distances = [position - mark.position for mark in cursor.marks][1:]
        assert all(later <= 4 * earlier for earlier, later in itertools.pairwise(distances)), (
            distances
        )


def test_a_tag_depends_on_the_whole_id_and_on_the_commit() -> None:
    one = bytes(16)
    ids = (one, b"\x01" + one[1:], one[:-1] + b"\x01")
    assert (
        len({tag_of(attempt_id, commit) for attempt_id in ids for commit in (b"c" * 4, b"d" * 4)})
        == 6
    )


class ListInMemory:
    """An in-memory list with the replies of `list_results`."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    async def call_async(
        self, _client: Any, _function: str, _keys: list[str], args: list[Any]
    ) -> list[bytes | None]:
        *_, position, limit = args
        reply: list[bytes | None] = []
        for attempt, commit in self.items[position : position + limit]:
            record = bytes(6) + attempt_record(1, 1, b"\x01\x02")
            result = result_start(1, 1, commit.to_bytes(4, "big"))
            reply += [id_of(attempt), record, result, None]
        return reply

    def read(self, cursor: Cursor, limit: int) -> tuple[list[bytes], Cursor]:
        lists: Any = ResultLists(None, self, Keys("test"))  # type: ignore[arg-type]
        page = asyncio.run(lists.of_instrument(1, cursor, limit))
        return [attempt.id for attempt, _, _ in page.items], page.next


def id_of(attempt: int) -> bytes:
    return attempt.to_bytes(RANDOM_BYTES, "big") + attempt.to_bytes(ARRIVAL_BYTES, "big")


@given(
    seen=st.integers(1, 60),
    common=st.integers(0, 60),
    later=st.lists(st.sampled_from(["another attempt", "another commit"]), max_size=60),
    limits=st.lists(st.integers(1, 20), min_size=1, max_size=60),
)
def test_a_mark_of_a_changed_history_never_matches(
    seen: int, common: int, later: list[str], limits: list[int]
) -> None:
    common = min(common, seen)
    before: list[Item] = [(n, n) for n in range(seen)]
    changes = {
        "another attempt": lambda n: (n + 1000, n),
        "another commit": lambda n: (n, n + 1000),
    }
    after = before[:common] + [changes[change](common + n) for n, change in enumerate(later)]
    cursor = Cursor()
    for limit in limits:
        _, cursor = ListInMemory(before).read(cursor, limit)
    changed = ListInMemory(after)
    if cursor.position <= common:
        ids, _ = changed.read(cursor, 1000)
        assert ids == [id_of(attempt) for attempt, _ in after[cursor.position :]], (
            "nothing is missed, nothing repeated"
        )
        return
    with pytest.raises(LostCursorError) as raised:
        changed.read(cursor, 1000)
    following = plain(raised.value.following)
    assert following.position == max(
        (mark.position for mark in cursor.marks if mark.position <= common), default=0
    )
    ids, _ = changed.read(following, 1000)
    assert ids == [id_of(attempt) for attempt, _ in after[following.position :]], (
        "nothing is missed"
    )


@given(st.lists(st.integers(0, 1), min_size=1, max_size=60), st.integers(1, 2**40))
def test_an_integer_cursor_continues_from_the_beginning(history: list[int], number: int) -> None:
    kept = ListInMemory([(n, commit) for n, commit in enumerate(history)])
    with pytest.raises(LostCursorError) as raised:
        kept.read(plain(str(number)), 10)
    assert read_cursor(raised.value.following) == Cursor()
