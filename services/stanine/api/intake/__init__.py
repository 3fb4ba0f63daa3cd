"""Intake of attempts: validation, the fast path, bulk NDJSON, idempotency and storing."""
