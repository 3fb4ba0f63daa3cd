from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.connection.ownership import Owner
from stanine.store.settings.errors import (
    ConfigurationManagedError,
    ContendedError,
    RevisionUnknownError,
    StringUnreadableError,
)
from stanine.store.settings.snapshot import LegacySyncState, Meta, SettingsLayout, Snapshot
from stanine.store.settings.string_layout import EMPTY
from stanine_operator.redis_configs.settings import (
    Apply,
    DeclaredSettings,
    Failure,
    Migrate,
    ReleaseOwnership,
    Restore,
    applied_condition,
    choose_steps,
    describe,
    handled_pin,
    migrated_condition,
)

ME = Owner("RedisConfig ns/a", "uid-a", "2026-11-23T09:00:00Z", "here")
OTHER = Owner("RedisConfig ns/b", "uid-b", "2026-11-23T08:00:00Z", "elsewhere")


def declared(**more: Any) -> DeclaredSettings:
    asked: dict[str, Any] = {
        "manager": ME,
        "values": {"sweepSeconds": 5},
        "layout": SettingsLayout.HASH,
        "dual": False,
    }
    return DeclaredSettings(**(asked | more))


def stored(
    values: dict[str, str] | None = None, *, dual_write: bool = False, **more: Any
) -> Snapshot:
    asked: dict[str, Any] = {
        "token": b"", "text": None, "fields": {}, "meta": Meta(3, dual=dual_write), "record": None, "managed_by": ME,
        "layout": SettingsLayout.HASH, "values": {"sweepSeconds": "5"} if values is None else values, "raw": EMPTY, "edited": False,
        "string": LegacySyncState.NONE, "unreadable": "",
    }  # fmt: skip
    return Snapshot(**(asked | more))


values = st.none() | st.dictionaries(
    st.sampled_from(["sweepSeconds", "maxRequeues"]), st.integers(1, 9)
)
declarations = st.builds(
    declared, values=values, layout=st.sampled_from(SettingsLayout), dual=st.booleans(), pin=st.none() | st.integers(1, 9),
    handled_pin=st.none() | st.integers(1, 9),
)  # fmt: skip
states = st.builds(
    stored,
    values.map(lambda some: {name: str(value) for name, value in (some or {}).items()}),
    layout=st.sampled_from(SettingsLayout), dual_write=st.booleans(), string=st.sampled_from(LegacySyncState), edited=st.booleans(),
    managed_by=st.sampled_from([None, ME, OTHER]),
)  # fmt: skip


@given(declarations, states)
def test_each_step_occurs_once_and_a_pin_replaces_apply(
    asked: DeclaredSettings, found: Snapshot
) -> None:
    kinds = [type(step) for step in choose_steps(asked, found)]
    assert len(kinds) == len(set(kinds))
    assert (Restore in kinds) == (asked.pin is not None)
    assert (Apply in kinds) == (asked.pin is None and asked.values is not None)


@given(declarations, states)
def test_undeclared_values_are_neither_changed_nor_owned(
    asked: DeclaredSettings, found: Snapshot
) -> None:
    if asked.pin is None and asked.values is None:
        kinds = {type(step) for step in choose_steps(asked, found)}
        assert not kinds & {Apply, Restore}
        assert (ReleaseOwnership in kinds) == (Migrate in kinds or found.managed_by == ME)


@given(declarations, states)
def test_applied_is_true_only_if_the_declared_values_are_set_and_owned(
    asked: DeclaredSettings, found: Snapshot
) -> None:
    condition = applied_condition(asked, found, ())
    if asked.pin is not None:
        assert (condition.status, condition.reason) == (False, "RolledBack")
    elif asked.values is not None:
        as_said = {name: str(value) for name, value in asked.values.items()} == found.values
        assert (condition.status is True) == (
            as_said and found.managed_by == ME and not found.edited
        )
    else:
        assert condition.status is True


@given(declarations, states)
def test_migrated_is_true_only_in_the_declared_layout(
    asked: DeclaredSettings, found: Snapshot
) -> None:
    as_asked = (found.layout, found.meta.dual) == (asked.layout, asked.dual) and (
        not asked.dual or found.string is LegacySyncState.IN_STEP
    )
    assert (migrated_condition(asked, found, ()).status is True) == as_asked


def test_owned_values_are_applied_at_every_reconciliation_to_renew_the_hold() -> None:
    assert choose_steps(declared(), stored()) == (Apply({"sweepSeconds": 5}),)


def test_the_layout_is_migrated_before_the_values_are_written() -> None:
    assert choose_steps(declared(layout=SettingsLayout.STRING), stored()) == (
        Migrate(SettingsLayout.STRING, dual=False),
        Apply({"sweepSeconds": 5}),
    )


@pytest.mark.parametrize(
    "string", [LegacySyncState.CHANGED, LegacySyncState.MISSING, LegacySyncState.UNREADABLE]
)
def test_a_stale_legacy_string_is_rewritten(string: LegacySyncState) -> None:
    steps = choose_steps(declared(dual=True), stored(dual_write=True, string=string))
    assert steps[0] == Migrate(SettingsLayout.HASH, dual=True)


def test_unknown_settings_are_ignored() -> None:
    assert (
        applied_condition(declared(), stored({"sweepSeconds": "5", "theirs": "x"}), ()).status
        is True
    )


def test_an_unknown_pin_changes_nothing_and_is_reported_with_a_remedy() -> None:
    asked = declared(pin=7)
    failed = describe(Restore(7), RevisionUnknownError(7, [1, 2]))
    condition = applied_condition(asked, stored(), [failed])
    assert (condition.status, condition.reason) == (False, "RevisionUnknown")
    assert "spec.rollbackTo" in condition.message
    assert handled_pin(asked, [failed]) is None


def test_a_handled_pin_remains_valid_after_its_revision_left_the_history() -> None:
    asked = declared(pin=7, handled_pin=7)
    failed = describe(Restore(7), RevisionUnknownError(7, [60, 61]))
    assert applied_condition(asked, stored(), [failed]).reason == "RolledBack"
    assert handled_pin(asked, [failed]) == 7


def test_a_failed_migration_affects_only_its_own_condition() -> None:
    asked, step = declared(layout=SettingsLayout.STRING), Migrate(SettingsLayout.STRING, dual=False)
    failed = describe(step, StringUnreadableError("it is no JSON at line 1, column 2"))
    condition = migrated_condition(asked, stored(), [failed])
    assert (condition.status, condition.reason) == (False, "MigrationFailed")
    assert "line 1" in condition.message
    assert applied_condition(asked, stored(), [failed]).status is True


def test_a_conflict_with_another_operators_resource_names_it() -> None:
    failed = describe(Apply({}), ConfigurationManagedError(OTHER))
    condition = applied_condition(declared(), stored(managed_by=OTHER), [failed])
    assert (condition.status, condition.reason) == (False, "ResourceConflict")
    assert OTHER.name in condition.message


def test_a_failed_read_is_not_a_failed_migration() -> None:
    assert (
        applied_condition(
            declared(), stored(), [Failure(None, "PermissionMissing", "extend its ACL")]
        ).reason
        == "PermissionMissing"
    )


def test_a_concurrent_change_is_reported_as_contended() -> None:
    condition = applied_condition(
        declared(), stored(), [describe(Apply({}), ContendedError("try again"))]
    )
    assert (condition.status, condition.reason) == (False, "Contended")
