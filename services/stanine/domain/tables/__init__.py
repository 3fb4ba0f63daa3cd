"""Tables of attempts and results: columns, cells and CSV. Used by the API and the CLI."""
