"""The indexWatcher: builds the index entries that everything is served and scored from, and mends those that are missing or corrupt."""
