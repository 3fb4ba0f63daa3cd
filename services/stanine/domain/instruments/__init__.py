"""Instrument documents: read strictly, checked, and made records."""
