"""What can go wrong with the configuration, apart from Redis itself being away. None mends itself: somebody must act.

`reason` is the CamelCase word for conditions and problem documents; the texts hold no values.
"""

from collections.abc import Iterable
from typing import ClassVar

from stanine.broker.connection.ownership import ManagedError, Manager
from stanine.store.errors import StoreError


class ConfigurationError(StoreError):
    """The root."""

    reason: ClassVar[str] = "ConfigurationError"


class SettingsInvalidError(ConfigurationError):
    """Values that are no settings, or outside their ranges; `faults` are (setting, why). Nothing was written."""

    reason = "SettingsInvalid"

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{name}: {why}" for name, why in self.faults))


class StringUnreadableError(ConfigurationError):
    """The older layout's text is no JSON object of settings. It was left as it is."""

    reason = "StringUnreadable"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"the string with the older configuration cannot be read: {why}; correct or delete it"
        )


class NotTextError(ConfigurationError):
    """A name or value in the hash is no UTF-8, so the string layout cannot hold it. Nothing was written."""

    reason = "NotText"


class ConfigurationManagedError(ConfigurationError, ManagedError):
    """A custom resource manages the configuration (`holder`), so that changing it is not for others. Nothing was written."""

    reason = "Managed"

    def __init__(self, holder: Manager) -> None:
        ManagedError.__init__(self, "the configuration", holder)


class RevisionUnknownError(ConfigurationError):
    """The history does not hold this revision (any more)."""

    reason = "RevisionUnknown"

    def __init__(self, revision: int, kept: Iterable[int]) -> None:
        self.revision = revision
        self.kept = tuple(kept)
        held = f"it holds {self.kept[0]} to {self.kept[-1]}" if self.kept else "it is empty"
        super().__init__(f"revision {revision} is not in the history: {held}")


class RevisionConflictError(ConfigurationError):
    """The configuration is at another revision than the caller expected. Nothing was written."""

    reason = "RevisionConflict"

    def __init__(self, expected: int, found: int) -> None:
        self.found = found
        super().__init__(f"the configuration is at revision {found}, not at {expected}")


class ContendedError(ConfigurationError):
    """Others changed the configuration at each of several tries. Nothing was written by this one; it may be tried again."""

    reason = "Contended"


class NotVerifiedError(ConfigurationError):
    """What was read back is not what was written; the function put the earlier state back."""

    reason = "NotVerified"
