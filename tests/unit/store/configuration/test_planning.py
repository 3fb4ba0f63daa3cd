"""Every plan leads to a state that is what was wished, and that nothing more is to be done to."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stanine.store.settings.errors import NotTextError, StringUnreadableError
from stanine.store.settings.plan import Change, Plan, plan
from stanine.store.settings.snapshot import (
    Layout,
    LegacySyncState,
    Meta,
    Origin,
    Seen,
    digest_of,
    judge,
    read_record,
    string_digest,
)
from stanine.store.settings.string_layout import read_string, render

VALUES = st.dictionaries(
    st.sampled_from(["durability", "sweepSeconds", "a", "b", "c"]),
    st.sampled_from(["1", "2", "x", "é\n"]),
    max_size=4,
)
TEXTS = st.one_of(
    st.none(),
    VALUES.map(render),
    VALUES.map(lambda values: render(values).replace(b":", b" : ")),
    st.just(b"{no"),
)
WISHES = st.builds(
    Change,
    values=st.none() | VALUES,
    layout=st.none() | st.sampled_from(Layout),
    dual=st.none() | st.booleans(),
)


@st.composite
def looks(draw: st.DrawFn) -> Seen:
    """Anything that may stand in Redis: written here before or never, then changed by anybody or not."""
    fields, text = draw(VALUES), draw(TEXTS)
    meta, record = Meta(), None
    if draw(st.booleans()):
        before = draw(st.sampled_from([fields, draw(VALUES)]))
        layout, dual = draw(st.sampled_from(Layout)), draw(st.booleans())
        string = text if draw(st.booleans()) else render(before)
        meta = Meta(
            draw(st.integers(1, 9)),
            digest_of(before),
            layout,
            dual,
            string_digest(string) if dual or layout == "String" else "",
        )
        record = read_record(
            meta.revision, b'5\n{"by":"","origin":"Applied","of":0}\n' + render(before)
        )
    return Seen(b"token", text, fields, meta, record, None)


def after(seen: Seen, planned: Plan) -> Seen:
    """What the Redis Function makes of a plan."""
    records = dict(planned.records)
    record = seen.record
    if records:
        record = read_record(planned.meta.revision, b"7\n" + records[planned.meta.revision])
    return Seen(b"next", planned.text, planned.fields, planned.meta, record, None)


@given(looks(), WISHES)
def test_a_plan_ends_where_nothing_is_left_to_do(seen: Seen, wish: Change) -> None:
    standing = judge(seen)
    try:
        planned = plan(seen, standing, wish)
    except StringUnreadableError:
        assert seen.text == b"{no"
        return
    now = seen if planned is None else after(seen, planned)
    stands = judge(now)
    assert stands.values == (standing.values if wish.values is None else wish.values)
    assert planned is None or not stands.edited
    assert wish.layout is None or stands.layout is wish.layout or not stands.values
    assert plan(now, stands, wish) is None


@given(looks(), WISHES)
def test_both_layouts_say_the_same_where_both_are_written(seen: Seen, wish: Change) -> None:
    wish = msgspec.structs.replace(wish, dual=True)
    try:
        planned = plan(seen, judge(seen), wish)
    except StringUnreadableError:
        return
    now = seen if planned is None else after(seen, planned)
    assert now.text is not None
    assert read_string(now.text).values() == now.fields
    assert judge(now).beside in {LegacySyncState.IN_STEP, LegacySyncState.NONE}


@given(looks(), VALUES)
def test_revisions_only_grow_and_what_others_did_has_one_of_its_own(
    seen: Seen, values: dict[str, str]
) -> None:
    standing = judge(seen)
    assume(not standing.unreadable)
    planned = plan(seen, standing, Change(values=values, by="me"))
    if planned is None:
        assert standing.values == values
        return
    found = [read_record(number, b"1\n" + record) for number, record in planned.records]
    assert [each.number for each in found] == list(
        range(seen.meta.revision + 1, planned.meta.revision + 1)
    )
    assert [each.origin for each in found] == [Origin.FOUND] * standing.edited + [
        Origin.APPLIED
    ] * (values != standing.values)
    for each in found:
        assert each.values == (standing.values if each.origin is Origin.FOUND else values)


@given(VALUES, VALUES, VALUES)
def test_an_older_services_changes_count_except_where_the_hash_has_changed_too(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    record = read_record(3, b'5\n{"by":"","origin":"Applied","of":0}\n' + render(base))
    seen = Seen(
        b"",
        render(theirs),
        ours,
        Meta(3, digest_of(base), Layout.HASH, dual=True, string=string_digest(render(base))),
        record,
        None,
    )
    merged = judge(seen).values
    for name in base.keys() | ours.keys() | theirs.keys():
        has_changed_here = ours.get(name) != base.get(name)
        assert merged.get(name) == (ours.get(name) if has_changed_here else theirs.get(name))


@pytest.mark.parametrize(
    ("fields", "text", "layout", "dual", "expected"),
    [
        ({}, None, None, False, Layout.HASH),
        ({}, b"{}", None, False, Layout.STRING),
        ({"a": "1"}, b"{}", None, False, Layout.HASH),
        ({"a": "1"}, b"{}", Layout.STRING, False, Layout.HASH),
        ({"a": "1"}, b"{}", Layout.STRING, True, Layout.STRING),
        ({}, b"{}", Layout.HASH, False, Layout.HASH),
        ({}, None, Layout.STRING, False, Layout.STRING),
    ],
)
def test_the_hash_counts_wherever_there_is_one(
    fields: Any, text: Any, layout: Any, dual: Any, expected: Layout
) -> None:
    assert (
        judge(Seen(b"", text, fields, Meta(layout=layout, dual=dual), None, None)).layout
        is expected
    )


def test_bytes_that_are_no_text_are_kept_in_the_hash_and_never_put_into_a_string() -> None:
    raw = {"a": "\udcff"}
    seen = Seen(b"", None, raw, Meta(), None, None)
    planned = plan(seen, judge(seen), Change(values=raw | {"sweepSeconds": "5"}))
    assert planned is not None
    assert planned.fields["a"] == "\udcff"
    with pytest.raises(NotTextError):
        plan(seen, judge(seen), Change(layout=Layout.STRING))
    stands = after(seen, planned)
    assert stands.record is not None
    assert stands.record.values == planned.fields


def test_the_history_keeps_as_many_revisions_as_the_new_settings_say() -> None:
    seen = Seen(b"", None, {}, Meta(), None, None)
    planned = plan(seen, judge(seen), Change(values={"historyRevisions": "7"}))
    assert planned is not None
    assert planned.keep == 7
