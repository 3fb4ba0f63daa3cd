"""Settings follower: applies changed runtime settings to a running watcher.

Run as one of its loops.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings
from stanine.telemetry.logs import change_level, get_log

if TYPE_CHECKING:
    from stanine.runtime.process import Watcher


def follow_settings(watcher: "Watcher") -> Callable[[], None]:
    """Return the loop step that reads the settings and applies changes; logs each problem once."""
    last = SettingsRead(watcher.settings)

    def step() -> None:
        nonlocal last
        read = load_settings(watcher.client, watcher.keys, last)
        if read.faults != last.faults:
            for name, problem in read.faults:
                get_log().warning("settings.faulty", setting=name, detail=problem)
        last = read
        if read.settings != watcher.settings:
            get_log().info("settings.changed")
            watcher.settings = read.settings
            for callback in watcher.on_settings:
                callback(read.settings)
        change_level(read.settings.log_level if "logLevel" in read.stated else None)

    return step
