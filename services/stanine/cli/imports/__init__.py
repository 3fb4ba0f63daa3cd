"""Conversion of questionnaires in other formats to instrument documents."""
