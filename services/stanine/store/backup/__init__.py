"""Backups of a server: taking, verifying and keeping snapshots. Called by `stanine backup` and `stanine restore`."""
