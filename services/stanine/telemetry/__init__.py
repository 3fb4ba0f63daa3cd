"""Logs, metrics, traces and health: set up once per process by its composition root, each idea in its own module."""
