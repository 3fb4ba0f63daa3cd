"""The command line: data on standard output, notes and progress on standard error, documented exit statuses (docs/reference/cli.md)."""
