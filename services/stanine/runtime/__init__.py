"""Runtime of a watcher process: signals, readiness, loops and settings. Shared by both watchers."""
