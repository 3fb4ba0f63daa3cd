"""Errors of the runtime settings, apart from connection errors. None is resolved by a retry, except ContendedError.

`reason` is the CamelCase reason of conditions and problem documents. Messages contain no values.
"""

from collections.abc import Iterable
from typing import ClassVar

from stanine.broker.connection.ownership import Owner, OwnershipConflictError
from stanine.store.errors import StoreError


class ConfigurationError(StoreError):
    """Base class of the errors of the runtime settings."""

    reason: ClassVar[str] = "ConfigurationError"


class SettingsInvalidError(ConfigurationError):
    """Unknown settings or values out of range: `faults` are (setting, message). Nothing was written."""

    reason = "SettingsInvalid"

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{name}: {message}" for name, message in self.faults))


class StringUnreadableError(ConfigurationError):
    """The string layout does not contain a JSON object of settings. The string was not changed."""

    reason = "StringUnreadable"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(
            f"the string with the older configuration cannot be read: {detail}; correct or delete it"
        )


class NotTextError(ConfigurationError):
    """The string layout cannot represent a name or value of the hash. Nothing was written."""

    reason = "NotText"


class ConfigurationManagedError(ConfigurationError, OwnershipConflictError):
    """A custom resource (`holder`) owns the configuration. Nothing was written."""

    reason = "Managed"

    def __init__(self, holder: Owner) -> None:
        OwnershipConflictError.__init__(self, "the configuration", holder)


class RevisionUnknownError(ConfigurationError):
    """The history does not contain the requested revision."""

    reason = "RevisionUnknown"

    def __init__(self, revision: int, kept: Iterable[int]) -> None:
        numbers = tuple(kept)
        held = f"it holds {numbers[0]} to {numbers[-1]}" if numbers else "it is empty"
        super().__init__(f"revision {revision} is not in the history: {held}")


class RevisionConflictError(ConfigurationError):
    """The configuration is not at the revision that the caller expected. Nothing was written."""

    reason = "RevisionConflict"

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"the configuration is at revision {found}, not at {expected}")


class ContendedError(ConfigurationError):
    """Concurrent writers changed the configuration during every attempt. Nothing was written; retry."""

    reason = "Contended"


class NotVerifiedError(ConfigurationError):
    """The state read back differs from the state written; the function restored the earlier state."""

    reason = "NotVerified"
