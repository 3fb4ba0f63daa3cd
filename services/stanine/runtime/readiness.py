"""Whether a process is ready, for /readyz. Used by the watchers and the operator."""


class Readiness:
    """The reasons why a process is not ready."""

    def __init__(self, reason: str) -> None:
        self._reasons = [reason]

    def reasons(self) -> list[str]:
        """Return the reasons why it is not ready; empty if it is."""
        return self._reasons

    def waiting(self, reason: str) -> None:
        """Mark the process as not ready."""
        self._reasons = [reason]

    def ready(self) -> None:
        """Mark the process as ready."""
        self._reasons = []
