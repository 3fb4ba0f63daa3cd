"""The settings that this process goes by now. Written by the loop that follows them, read by whoever keeps a limit."""

from stanine.store.settings.model import Settings


class CurrentSettings:
    """The settings as last read."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = Settings()
