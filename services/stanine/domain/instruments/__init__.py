"""Instrument documents: strict reading, checks and records."""
