"""Follow the runtime settings: log what changes and what is invalid, and apply the log level.

Used by a loop of each watcher and of the API.
"""

from stanine.store.settings.model import Settings, SettingsRead
from stanine.telemetry.logs import change_level, get_log


class FollowedSettings:
    """The settings that a process has read last."""

    def __init__(self, settings: Settings) -> None:
        self.read = SettingsRead(settings)

    def take(self, read: SettingsRead) -> bool:
        """Replace the settings by a newer reading; return whether a value in effect changed."""
        log, before, self.read = get_log(), self.read, read
        if read.faults != before.faults:
            for name, problem in read.faults:
                log.warning("settings.faulty", setting=name, detail=problem)
        changed = read.settings != before.settings
        if changed:
            log.info("settings.changed")
        change_level(read.settings.log_level if "logLevel" in read.stated else None)
        return changed
