"""The application's settings and layout: steps of a reconciliation and their conditions. Pure.

Each step is one atomic function call in Redis and changes nothing if the state is as desired. Steps may therefore be
repeated, and the operator may be interrupted between them.

    settings given            exactly these are set and owned: API and CLI refuse to change them, naming the resource
    settings absent           the values are kept and may be changed by API and CLI
    rollbackTo                that revision's values are restored as a new revision and owned; `settings` is ignored
    layout, compatibility     applied in every case

A hold expires (stanine.broker.connection.ownership), so every reconciliation applies the steps again, which renews it
and changes nothing else.
"""

from collections.abc import Mapping, Sequence

import msgspec

from stanine.broker.connection.ownership import Owner
from stanine.store.settings.errors import (
    ConfigurationError,
    ConfigurationManagedError,
    RevisionUnknownError,
)
from stanine.store.settings.model import NAMES, write_settings
from stanine.store.settings.snapshot import LegacySyncState, SettingsLayout, Snapshot
from stanine_operator.controller.reconcile_result import ResourceCondition

#: The conditions of this module.
APPLIED, MIGRATED = "SettingsApplied", "Migrated"
#: Reason of values restored by rollbackTo.
ROLLED_BACK = "RolledBack"


class DeclaredSettings(msgspec.Struct, frozen=True):
    """Desired settings of a resource. `values` None: none.

    `handled_pin` is the pin whose values were restored by an earlier reconciliation.
    """

    manager: Owner
    values: Mapping[str, object] | None
    layout: SettingsLayout
    dual: bool
    pin: int | None = None
    handled_pin: int | None = None


class ReleaseOwnership(msgspec.Struct, frozen=True):
    """Give up ownership of the values."""


class Migrate(msgspec.Struct, frozen=True):
    """Store the configuration in a layout, or in both."""

    layout: SettingsLayout
    dual: bool


class Apply(msgspec.Struct, frozen=True):
    """Set exactly these settings."""

    values: Mapping[str, object]


class Restore(msgspec.Struct, frozen=True):
    """Restore the values of an earlier revision."""

    revision: int


Step = ReleaseOwnership | Migrate | Apply | Restore


class Failure(msgspec.Struct, frozen=True):
    """A failed step (None: reading failed): a CamelCase reason and a sentence."""

    step: Step | None
    reason: str
    message: str


def choose_steps(declared: DeclaredSettings, stored: Snapshot) -> tuple[Step, ...]:
    """Return the steps in order; each changes nothing if the state is as desired."""
    # Always with a pin: it renews the hold even if the pinned revision is no longer in the history.
    migrates = _needs_migration(declared, stored) or declared.pin is not None
    steps: list[Step] = [Migrate(declared.layout, declared.dual)] if migrates else []
    if declared.pin is not None:
        steps.append(Restore(declared.pin))
    elif declared.values is not None:
        steps.append(Apply(declared.values))
    elif steps or _is_owner(declared, stored):
        steps.append(ReleaseOwnership())
    return tuple(steps)


def applied_condition(
    declared: DeclaredSettings, stored: Snapshot, failures: Sequence[Failure]
) -> ResourceCondition:
    """Return the condition SettingsApplied after the steps."""
    failed = next((each for each in failures if not isinstance(each.step, Migrate)), None)
    if declared.pin is not None:
        return _pin_condition(declared, stored, failed)
    if failed is not None:
        return ResourceCondition(APPLIED, False, failed.reason, f"spec.settings: {failed.message}")
    if declared.values is None:
        unused = (
            f"; the services do not use {', '.join(name for name, _ in stored.read.faults)}"
            if stored.read.faults
            else ""
        )
        return ResourceCondition(
            APPLIED,
            True,
            "NothingDeclared",
            f"spec.settings is absent: the values stay as they are{unused}",
        )
    if not _is_applied(declared, declared.values, stored):
        return ResourceCondition(
            APPLIED,
            False,
            "Contended",
            "another client changed the settings concurrently: they are applied again shortly",
        )
    return ResourceCondition(
        APPLIED, True, "AsDeclared", f"revision {stored.revision} is as spec.settings says"
    )


def migrated_condition(
    declared: DeclaredSettings, stored: Snapshot, failures: Sequence[Failure]
) -> ResourceCondition:
    """Return the condition Migrated after the steps."""
    failed = next((each for each in failures if isinstance(each.step, Migrate)), None)
    if failed is not None:
        return ResourceCondition(
            MIGRATED,
            False,
            "MigrationFailed",
            f"the settings are still in the layout {stored.layout}: {failed.message} ({failed.reason})",
        )
    if _needs_migration(declared, stored):
        return ResourceCondition(
            MIGRATED,
            False,
            "Contended",
            "another client changed the settings concurrently: they are migrated shortly",
        )
    if stored.string is LegacySyncState.STRAY:
        text = "the settings are in the hash, but another client wrote the older string: set compatibility: DualWrite, or delete the string"
        return ResourceCondition(MIGRATED, True, "OlderStringPresent", text)
    both = ", and in the other layout too (DualWrite)" if declared.dual else ""
    return ResourceCondition(
        MIGRATED, True, "InLayout", f"the settings are in the layout {stored.layout}{both}"
    )


def handled_pin(declared: DeclaredSettings, failures: Sequence[Failure]) -> int | None:
    """Return the pin whose values are in effect after the steps.

    A pin that was handled before its revision left the history still counts.
    """
    failed = any(
        isinstance(each.step, Restore) and not _was_handled(declared, each) for each in failures
    )
    return declared.handled_pin if failed else declared.pin


def describe(step: Step | None, error: ConfigurationError) -> Failure:
    """Return the failure of a step (None: of reading)."""
    if isinstance(error, ConfigurationManagedError):
        return Failure(
            step,
            "ResourceConflict",
            f"{error.holder.name} of another operator is older and owns these settings: delete one of the two",
        )
    if isinstance(error, RevisionUnknownError):
        return Failure(
            step, error.reason, f"{error}; correct or remove the number; nothing was changed"
        )
    return Failure(step, error.reason, str(error))


def _was_handled(declared: DeclaredSettings, failure: Failure) -> bool:
    """Return whether a pin was handled before its revision left the history."""
    return failure.reason == RevisionUnknownError.reason and declared.handled_pin == declared.pin


def _pin_condition(
    declared: DeclaredSettings, stored: Snapshot, failed: Failure | None
) -> ResourceCondition:
    pin = declared.pin
    if failed is not None and not _was_handled(declared, failed):
        return ResourceCondition(
            APPLIED, False, failed.reason, f"spec.rollbackTo: {failed.message}"
        )
    text = f"the values of revision {pin} are in effect, as revision {stored.revision}; remove spec.rollbackTo to apply spec.settings again"
    return ResourceCondition(APPLIED, False, ROLLED_BACK, text)


def _needs_migration(declared: DeclaredSettings, stored: Snapshot) -> bool:
    out_of_step = declared.dual and stored.string is not LegacySyncState.IN_STEP
    return (stored.layout, stored.meta.dual) != (declared.layout, declared.dual) or out_of_step


def _is_applied(declared: DeclaredSettings, values: Mapping[str, object], stored: Snapshot) -> bool:
    stated = {name: text for name, text in stored.values.items() if name in NAMES}
    return stated == write_settings(values) and _is_owner(declared, stored) and not stored.edited


def _is_owner(declared: DeclaredSettings, stored: Snapshot) -> bool:
    return stored.managed_by is not None and stored.managed_by.uid == declared.manager.uid
