"""The resultWatcher: scores submitted attempts in batches and commits each result once."""
