"""Calls of the API, one module per resource.

Each function returns an `ApiCall` with request and decoder.
"""
