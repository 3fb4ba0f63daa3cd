"""The operator's process: kopf registrations and the composition root. Called by the console script `stanine-operator`."""


def main() -> int:
    """Run the operator until SIGTERM; return the exit status."""
    raise NotImplementedError
