"""Errors in a custom resource and their text in a condition. Raised by `reading`."""

from stanine.domain.errors import Faulty

#: Maximum number of errors that a condition's message lists; the rest are counted.
FAULTS_NAMED = 20
#: Maximum length of a condition's message in Kubernetes, in characters.
MAX_MESSAGE_CHARACTERS = 32_768
#: Maximum size of the message in bytes, with room for a sentence added by the caller.
MAX_MESSAGE = 32_000

#: Reasons of a condition that is False because of the spec.
INVALID_SPEC = "InvalidSpec"
INVALID_PARAMETER = "InvalidParameter"
INVALID_DOCUMENT = "InvalidDocument"


class InvalidResource(Faulty):
    """The spec of a custom resource is invalid; `faults` lists every error."""

    @property
    def reason(self) -> str:
        """Return InvalidParameter if all errors are in `spec.server`, else InvalidSpec."""
        is_of_server = all(fault.place.startswith("spec.server") for fault in self.faults)
        return INVALID_PARAMETER if is_of_server else INVALID_SPEC


class InvalidInstrument(InvalidResource):
    """An Instrument's document cannot be published."""

    @property
    def reason(self) -> str:
        """Return the reason of the condition."""
        return INVALID_DOCUMENT


def format_faults(faulty: Faulty) -> str:
    """Return the errors as a condition's message: the first 20, then the number of others.

    The message has at most 32 KiB.
    """
    lines = [str(fault) for fault in faulty.faults[:FAULTS_NAMED]]
    while True:
        rest = faulty.count - len(lines)
        message = "\n".join(
            lines + ([f"and {rest} more fault{'s' if rest > 1 else ''}"] if rest else [])
        )
        if len(message.encode()) <= MAX_MESSAGE:
            return message
        lines.pop()
