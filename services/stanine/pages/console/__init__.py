"""Pages of organisations: login with an API key, and the report of a group."""
