"""Conditions and statuses: transitions, and when a status is written."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.conditions import (
    MAX_MESSAGE,
    RECONCILIATION_PAUSED,
    merge_conditions,
    transitions,
)
from stanine_operator.controller.reconcile_result import ResourceCondition
from stanine_operator.controller.status import (
    FIGURES_INTERVAL,
    MAGNITUDES_INTERVAL,
    compose_status,
    make_patch,
    must_write,
    with_condition,
)

READY = ResourceCondition("Ready", True, "Applied", "All is as the spec says.")
AWAY = ResourceCondition("Ready", False, "ConnectionRefused", "Nothing listens.")
EARLY, LATE = "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"
MOVING = frozenset({"ready"})

conditions = st.builds(
    ResourceCondition,
    st.sampled_from(["Ready", "Reachable", "Paused"]),
    st.sampled_from([True, False, None]),
    st.sampled_from(["A", "B"]),
    st.text(max_size=5),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
documents = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


def test_transition_time_changes_only_with_the_status() -> None:
    first = merge_conditions([], [READY], generation=1, now=EARLY)
    other_reason = ResourceCondition("Ready", True, "Corrected", "Drift was corrected.")
    second = merge_conditions(first, [other_reason], generation=2, now=LATE)
    third = merge_conditions(second, [AWAY], generation=2, now=LATE)
    assert [each[0]["lastTransitionTime"] for each in (first, second, third)] == [
        EARLY,
        EARLY,
        LATE,
    ]
    assert [each[0]["observedGeneration"] for each in (first, second, third)] == [1, 2, 2]


@given(
    st.lists(conditions, max_size=3, unique_by=lambda condition: condition.type),
    st.lists(conditions, max_size=3, unique_by=lambda v: v.type),
)
def test_conditions_are_unique_and_complete(
    before: list[ResourceCondition], after: list[ResourceCondition]
) -> None:
    old = merge_conditions([], before, generation=1, now=EARLY)
    new = merge_conditions(old, after, generation=2, now=LATE, keep_others=True)
    names = [condition["type"] for condition in new]
    assert len(names) == len(set(names))
    assert set(names) == {each.type for each in before + after}
    for condition in new:
        assert set(condition) == {
            "type",
            "status",
            "reason",
            "message",
            "observedGeneration",
            "lastTransitionTime",
        }
        assert condition["reason"]
    assert merge_conditions(new, after, generation=2, now="later", keep_others=True) == new


def test_a_too_long_message_is_truncated() -> None:
    (condition,) = merge_conditions(
        [], [ResourceCondition("Ready", False, "X", "m" * 40_000)], generation=1, now=EARLY
    )
    assert len(condition["message"]) == MAX_MESSAGE


def test_only_a_changed_status_or_reason_is_a_transition() -> None:
    old = merge_conditions([], [READY], generation=1, now=EARLY)
    reworded = merge_conditions(
        old, [msgspec.structs.replace(READY, message="other words")], generation=2, now=LATE
    )
    assert transitions(old, reworded) == []
    away = merge_conditions(old, [AWAY], generation=2, now=LATE)
    assert transitions(old, away) == [(old[0], away[0])]


def test_a_failure_keeps_other_fields_and_a_success_replaces_them() -> None:
    good = compose_status(
        {},
        (READY, ResourceCondition("Migrated", True, "Done", "")),
        generation=1,
        now=EARLY,
        fields={"revision": 3, "drift": []},
    )
    failed = compose_status(good, (AWAY,), generation=2, now=LATE, fields=None)
    assert failed["revision"] == 3
    assert failed["observedGeneration"] == 2
    assert [(each["type"], each["observedGeneration"]) for each in failed["conditions"]] == [
        ("Ready", 2),
        ("Migrated", 1),
    ]
    healed = compose_status(failed, (READY,), generation=2, now=LATE, fields={"revision": 4})
    assert "drift" not in healed
    assert [each["type"] for each in healed["conditions"]] == ["Ready"]


def test_pausing_keeps_ready_and_ends_with_the_next_reconciliation() -> None:
    good = compose_status({}, (READY,), generation=1, now=EARLY, fields={"revision": 3})
    paused = with_condition(
        good,
        ResourceCondition("Paused", True, RECONCILIATION_PAUSED, "by annotation"),
        generation=2,
        now=LATE,
    )
    assert paused["conditions"][0] == good["conditions"][0]
    assert paused["observedGeneration"] == 1
    assert paused["conditions"][1]["status"] == "True"
    lost: list[dict[str, object] | None] = [None, {}]
    for fields in lost:
        after = compose_status(paused, (AWAY,), generation=2, now=LATE, fields=fields)
        assert [each["type"] for each in after["conditions"]] == ["Ready"]


def test_volatile_fields_and_messages_are_written_every_five_minutes_and_others_at_once() -> None:
    status = compose_status(
        {}, (READY,), generation=1, now=EARLY, fields={"ready": 1, "state": "Running"}
    )
    figures = status | {"ready": 2}
    reworded = compose_status(
        status,
        (msgspec.structs.replace(READY, message="…"),),
        generation=1,
        now=LATE,
        fields={"ready": 1, "state": "Running"},
    )
    for moved in (figures, reworded):
        assert not must_write(status, moved, volatile=MOVING, since_written=FIGURES_INTERVAL - 1)
        assert must_write(status, moved, volatile=MOVING, since_written=FIGURES_INTERVAL)
    assert FIGURES_INTERVAL * 3 > 15 * 60
    changed = compose_status(status, (AWAY,), generation=1, now=LATE, fields=None)
    for news in (status | {"state": "Paused"}, changed, status | {"observedGeneration": 2}):
        assert must_write(status, news, volatile=MOVING, since_written=0)
    assert not must_write(status, dict(status), volatile=MOVING, since_written=FIGURES_INTERVAL)


def test_a_changed_order_of_magnitude_is_written_after_half_a_minute_except_small_figures() -> None:
    status = compose_status(
        {}, (READY,), generation=1, now=EARLY, fields={"ready": 7, "state": "Running"}
    )
    for ready, is_news in ((0, False), (99, False), (100, True), (15_000, True)):
        for since_written in (MAGNITUDES_INTERVAL, FIGURES_INTERVAL - 1):
            assert (
                must_write(
                    status, status | {"ready": ready}, volatile=MOVING, since_written=since_written
                )
                is is_news
            )
        assert not must_write(
            status,
            status | {"ready": ready},
            volatile=MOVING,
            since_written=MAGNITUDES_INTERVAL - 1,
        )
    many = status | {"ready": 15_000}
    assert not must_write(
        many, status | {"ready": 10_001}, volatile=MOVING, since_written=MAGNITUDES_INTERVAL
    )
    assert must_write(many, status, volatile=MOVING, since_written=MAGNITUDES_INTERVAL)


@given(documents, documents)
def test_the_patch_transforms_one_status_into_the_other(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert _apply(old, make_patch(old, new)) == new


def _apply(target: Any, patch: Any) -> Any:
    """RFC 7386, as the API server applies a merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _apply(result.get(name), value)
    return result
