"""The operator's readiness for /readyz.

It never depends on Redis, whose state is reported by the resources.
"""


class Readiness:
    """Why the operator is not ready."""

    def __init__(self) -> None:
        self._reasons = ["it is starting"]

    def reasons(self) -> list[str]:
        """Return the reasons why it is not ready; empty if it is."""
        return self._reasons

    def waiting(self, reason: str) -> None:
        """Set the reason for waiting."""
        self._reasons = [reason]

    def listed(self) -> None:
        """Mark the resources as listed."""
        self._reasons = []

    def stopping(self) -> None:
        """Mark the operator as stopping."""
        self._reasons = ["it is stopping"]
