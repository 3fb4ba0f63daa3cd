"""The HTTP API: a route parses, makes one call, and answers.

`main` is the process, `app` its composition root; `routes` has one module per resource.
"""
