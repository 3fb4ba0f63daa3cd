"""The resultWatcher: takes submitted attempts in batches, scores each batch as matrices, and commits each result once."""
