"""Logs, metrics, traces and health endpoints.

Configured once per process by its composition root.
"""
