"""Calls of the API, one module per resource.

Each function returns a `Call` with request and decoder.
"""
