"""Whether the operator is at work, for /readyz. It never depends on Redis: what Redis does is said by the resources."""


class Readiness:
    """Why the operator does not work yet, or no more."""

    def __init__(self) -> None:
        self._reasons = ["it is starting"]

    def reasons(self) -> list[str]:
        """Return why not; nothing means it is at work."""
        return self._reasons

    def waiting(self, reason: str) -> None:
        """Say what is waited for."""
        self._reasons = [reason]

    def listed(self) -> None:
        """Say that the resources are known."""
        self._reasons = []

    def stopping(self) -> None:
        """Say that it is ending."""
        self._reasons = ["it is stopping"]
