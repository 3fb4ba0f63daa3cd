"""The calls of the API, one module a resource: each function returns a `Call`, what to send and how to read the answer."""
