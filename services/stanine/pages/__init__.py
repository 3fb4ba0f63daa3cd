"""Pages for people: the survey and the result, rendered on the server.

A service of its own, which uses only the public API, through `stanine.client`.
"""
