"""A plan produces the requested state and is idempotent."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stanine.store.settings.errors import NotTextError, StringUnreadableError
from stanine.store.settings.plan import Change, SettingsPlan, plan
from stanine.store.settings.snapshot import (
    LegacySyncState,
    Meta,
    Origin,
    SettingsLayout,
    Snapshot,
    digest_of,
    read_record,
    string_digest,
    take_snapshot,
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
REQUESTS = st.builds(
    Change,
    values=st.none() | VALUES,
    layout=st.none() | st.sampled_from(SettingsLayout),
    dual=st.none() | st.booleans(),
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any stored state: with or without earlier revisions, with or without changes of other programs."""
    fields, text = draw(VALUES), draw(TEXTS)
    meta, record = Meta(), None
    if draw(st.booleans()):
        before = draw(st.sampled_from([fields, draw(VALUES)]))
        layout, dual = draw(st.sampled_from(SettingsLayout)), draw(st.booleans())
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
    return take_snapshot(b"token", text, fields, meta, record)


def after(snapshot: Snapshot, planned: SettingsPlan) -> Snapshot:
    """Return the snapshot after the Redis Function has committed a plan."""
    records = dict(planned.records)
    record = snapshot.record
    if records:
        record = read_record(planned.meta.revision, b"7\n" + records[planned.meta.revision])
    return take_snapshot(b"next", planned.text, planned.fields, planned.meta, record)


@given(snapshots(), REQUESTS)
def test_a_plan_produces_the_requested_state_and_is_idempotent(
    snapshot: Snapshot, change: Change
) -> None:
    try:
        planned = plan(snapshot, change)
    except StringUnreadableError:
        assert snapshot.text == b"{no"
        return
    now = snapshot if planned is None else after(snapshot, planned)
    assert now.values == (snapshot.values if change.values is None else change.values)
    assert planned is None or not now.edited
    assert change.layout is None or now.layout is change.layout or not now.values
    assert plan(now, change) is None


@given(snapshots(), REQUESTS)
def test_dual_write_stores_the_same_values_in_both_layouts(
    snapshot: Snapshot, change: Change
) -> None:
    try:
        planned = plan(snapshot, msgspec.structs.replace(change, dual=True))
    except StringUnreadableError:
        return
    now = snapshot if planned is None else after(snapshot, planned)
    assert now.text is not None
    assert read_string(now.text).values() == now.fields
    assert now.string in {LegacySyncState.IN_STEP, LegacySyncState.NONE}


@given(snapshots(), VALUES)
def test_revision_numbers_increase_and_foreign_changes_get_their_own_revision(
    snapshot: Snapshot, values: dict[str, str]
) -> None:
    assume(not snapshot.unreadable)
    planned = plan(snapshot, Change(values=values, by="me"))
    if planned is None:
        assert snapshot.values == values
        return
    found = [read_record(number, b"1\n" + record) for number, record in planned.records]
    assert [each.number for each in found] == list(
        range(snapshot.meta.revision + 1, planned.meta.revision + 1)
    )
    assert [each.origin for each in found] == [Origin.FOUND] * snapshot.edited + [
        Origin.APPLIED
    ] * (values != snapshot.values)
    for each in found:
        assert each.values == (snapshot.values if each.origin is Origin.FOUND else values)


@given(VALUES, VALUES, VALUES)
def test_changes_of_an_older_service_are_merged_and_the_hash_wins_conflicts(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    record = read_record(3, b'5\n{"by":"","origin":"Applied","of":0}\n' + render(base))
    meta = Meta(
        3, digest_of(base), SettingsLayout.HASH, dual=True, string=string_digest(render(base))
    )
    merged = take_snapshot(b"", render(theirs), ours, meta, record).values
    for name in base.keys() | ours.keys() | theirs.keys():
        has_changed_here = ours.get(name) != base.get(name)
        assert merged.get(name) == (ours.get(name) if has_changed_here else theirs.get(name))


@pytest.mark.parametrize(
    ("fields", "text", "layout", "dual", "expected"),
    [
        ({}, None, None, False, SettingsLayout.HASH),
        ({}, b"{}", None, False, SettingsLayout.STRING),
        ({"a": "1"}, b"{}", None, False, SettingsLayout.HASH),
        ({"a": "1"}, b"{}", SettingsLayout.STRING, False, SettingsLayout.HASH),
        ({"a": "1"}, b"{}", SettingsLayout.STRING, True, SettingsLayout.STRING),
        ({}, b"{}", SettingsLayout.HASH, False, SettingsLayout.HASH),
        ({}, None, SettingsLayout.STRING, False, SettingsLayout.STRING),
    ],
)
def test_an_existing_hash_is_the_active_layout(
    fields: Any, text: Any, layout: Any, dual: Any, expected: SettingsLayout
) -> None:
    snapshot = take_snapshot(b"", text, fields, Meta(layout=layout, dual=dual))
    assert snapshot.layout is expected


def test_bytes_that_are_not_utf8_stay_in_the_hash_and_are_rejected_for_the_string() -> None:
    raw = {"a": "\udcff"}
    snapshot = take_snapshot(b"", None, raw, Meta())
    planned = plan(snapshot, Change(values=raw | {"sweepSeconds": "5"}))
    assert planned is not None
    assert planned.fields["a"] == "\udcff"
    with pytest.raises(NotTextError):
        plan(snapshot, Change(layout=SettingsLayout.STRING))
    record = after(snapshot, planned).record
    assert record is not None
    assert record.values == planned.fields


def test_the_new_history_limit_takes_effect_with_the_change_that_sets_it() -> None:
    snapshot = take_snapshot(b"", None, {}, Meta())
    planned = plan(snapshot, Change(values={"historyRevisions": "7"}))
    assert planned is not None
    assert planned.keep == 7
