"""The HTTP API: parse, one call, answer. `main` is the process, `app` its composition root, `routes` one module per resource."""
