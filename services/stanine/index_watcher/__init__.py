"""The indexWatcher: builds index entries, and repairs missing and corrupt ones."""
