"""Attempts: parsed, checked against their form, packed, and explained when invalid."""
