"""Measurements of Stanine. Each module is a command: `python -m benchmarks.NAME [--json]`."""
