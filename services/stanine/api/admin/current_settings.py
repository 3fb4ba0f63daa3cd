"""The runtime settings that this process applies. Updated by `SettingsFollower`."""

from stanine.store.settings.model import Settings


class CurrentSettings:
    """The last settings that were read."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = Settings()
