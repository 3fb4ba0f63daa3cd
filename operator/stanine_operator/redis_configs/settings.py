"""The application's settings and their layout: which changes a turn makes, and what is said of the outcome. Pure; called by turn.py.

Each change is one call of CONFIG's functions in Redis, whole or not at all, and does nothing where all is as wished: so the steps may be
repeated, and the operator may die between any two of them.

    settings given            exactly these are stated, and held: API and CLI refuse to change them, naming the resource
    settings absent           the values stay as they are and are anybody's to change
    rollbackTo                that revision's values stand, as a new revision, and are held, whatever `settings` says
    layout, compatibility     at any time, whatever the above

A hold expires (stanine.broker.connection.ownership), so it is applied at every reconciliation, which renews it and changes
nothing else.
"""

from collections.abc import Mapping, Sequence

import msgspec

from stanine.broker.connection.ownership import Owner
from stanine.store.settings.changes import Stored
from stanine.store.settings.errors import (
    ConfigurationError,
    ConfigurationManagedError,
    RevisionUnknownError,
)
from stanine.store.settings.model import NAMES, write_settings
from stanine.store.settings.snapshot import Layout, LegacySyncState
from stanine_operator.controller.reconcile_result import Condition

#: The conditions of this part.
APPLIED, MIGRATED = "SettingsApplied", "Migrated"
#: The reason of values that a pin holds.
ROLLED_BACK = "RolledBack"


class DeclaredSettings(msgspec.Struct, frozen=True):
    """What a resource asks of the settings. `values` None: nothing. `handled_pin`: the pin whose values stood after an earlier turn."""

    manager: Owner
    values: Mapping[str, object] | None
    layout: Layout
    dual: bool
    pin: int | None = None
    handled_pin: int | None = None

    @property
    def owns_values(self) -> bool:
        """Whether nobody else is to change the values."""
        return self.values is not None or self.pin is not None


class Release(msgspec.Struct, frozen=True):
    """Let the values be anybody's again."""


class Migrate(msgspec.Struct, frozen=True):
    """Let the configuration lie in a layout, or in both."""

    layout: Layout
    dual: bool


class Apply(msgspec.Struct, frozen=True):
    """Let exactly these settings be stated."""

    values: Mapping[str, object]


class Restore(msgspec.Struct, frozen=True):
    """Let the values of an earlier revision stand."""

    revision: int


Step = Release | Migrate | Apply | Restore


class Failure(msgspec.Struct, frozen=True):
    """A step that could not be done (None: the configuration could not even be read): a CamelCase reason and a sentence."""

    step: Step | None
    reason: str
    message: str


def choose_steps(declared: DeclaredSettings, stored: Stored) -> tuple[Step, ...]:
    """Return what is to be done, in order; each changes nothing where all is as asked."""
    # With a pin in any case: what renews the hold even if the history has lost the pinned revision since.
    migrates = _needs_migration(declared, stored) or declared.pin is not None
    steps: list[Step] = [Migrate(declared.layout, declared.dual)] if migrates else []
    if declared.pin is not None:
        steps.append(Restore(declared.pin))
    elif declared.values is not None:
        steps.append(Apply(declared.values))
    elif steps or _is_owner(declared, stored):
        steps.append(Release())
    return tuple(steps)


def applied_condition(
    declared: DeclaredSettings, stored: Stored, failures: Sequence[Failure]
) -> Condition:
    """Return the condition SettingsApplied after a turn's steps."""
    failed = next((each for each in failures if not isinstance(each.step, Migrate)), None)
    if declared.pin is not None:
        return _pin_condition(declared, stored, failed)
    if failed is not None:
        return Condition(APPLIED, False, failed.reason, f"spec.settings: {failed.message}")
    if declared.values is None:
        faults = (
            f"; the services do not use {', '.join(name for name, _ in stored.read.faults)}"
            if stored.read.faults
            else ""
        )
        return Condition(
            APPLIED,
            True,
            "NothingDeclared",
            f"spec.settings is absent: the values stay as they are{faults}",
        )
    if not _is_applied(declared, declared.values, stored):
        return Condition(
            APPLIED,
            False,
            "Contended",
            "somebody else changed the settings in the same moment: they are applied again shortly",
        )
    return Condition(
        APPLIED, True, "AsDeclared", f"revision {stored.revision} is as spec.settings says"
    )


def migrated_condition(
    declared: DeclaredSettings, stored: Stored, failures: Sequence[Failure]
) -> Condition:
    """Return the condition Migrated after a turn's steps."""
    failed = next((each for each in failures if isinstance(each.step, Migrate)), None)
    if failed is not None:
        return Condition(
            MIGRATED,
            False,
            "MigrationFailed",
            f"the settings are still in the layout {stored.layout}: {failed.message} ({failed.reason})",
        )
    if _needs_migration(declared, stored):
        return Condition(
            MIGRATED,
            False,
            "Contended",
            "somebody else changed the settings in the same moment: they are migrated shortly",
        )
    if stored.string is LegacySyncState.STRAY:
        text = "the settings are in the hash, but somebody has written the older string: set compatibility: DualWrite, or delete the string"
        return Condition(MIGRATED, True, "OlderStringPresent", text)
    both = ", and in the other layout too (DualWrite)" if declared.dual else ""
    return Condition(
        MIGRATED, True, "InLayout", f"the settings are in the layout {stored.layout}{both}"
    )


def handled_pin(declared: DeclaredSettings, failures: Sequence[Failure]) -> int | None:
    """Return the pin whose values stand after a turn's steps; one that the history has lost since counts as before."""
    failed = any(
        isinstance(each.step, Restore) and not _outlived(declared, each) for each in failures
    )
    return declared.handled_pin if failed else declared.pin


def describe(step: Step | None, error: ConfigurationError) -> Failure:
    """Return what it means that a step (None: the look before all steps) could not be done."""
    if isinstance(error, ConfigurationManagedError):
        return Failure(
            step,
            "ResourceConflict",
            f"{error.holder.name} of another operator is older and has these settings: delete one of the two",
        )
    if isinstance(error, RevisionUnknownError):
        return Failure(
            step, error.reason, f"{error}; correct or remove the number; nothing was changed"
        )
    return Failure(step, error.reason, str(error))


def _outlived(declared: DeclaredSettings, failure: Failure) -> bool:
    """Tell whether a pin was carried out before its revision fell out of the history."""
    return failure.reason == RevisionUnknownError.reason and declared.handled_pin == declared.pin


def _pin_condition(declared: DeclaredSettings, stored: Stored, failed: Failure | None) -> Condition:
    pin = declared.pin
    if failed is not None and not _outlived(declared, failed):
        return Condition(APPLIED, False, failed.reason, f"spec.rollbackTo: {failed.message}")
    text = f"the values of revision {pin} stand, as revision {stored.revision}; remove spec.rollbackTo to apply spec.settings again"
    return Condition(APPLIED, False, ROLLED_BACK, text)


def _needs_migration(declared: DeclaredSettings, stored: Stored) -> bool:
    out_of_step = declared.dual and stored.string is not LegacySyncState.IN_STEP
    return (stored.layout, stored.dual_write) != (declared.layout, declared.dual) or out_of_step


def _is_applied(declared: DeclaredSettings, values: Mapping[str, object], stored: Stored) -> bool:
    stated = {name: text for name, text in stored.values.items() if name in NAMES}
    return stated == write_settings(values) and _is_owner(declared, stored) and not stored.edited


def _is_owner(declared: DeclaredSettings, stored: Stored) -> bool:
    return stored.managed_by is not None and stored.managed_by.uid == declared.manager.uid
