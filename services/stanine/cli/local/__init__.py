"""Stanine on one machine: child processes for `up` and `demo`."""
