"""What is wrong with a custom resource, and how a condition says so. Raised by `reading`, said by the operator and `stanine validate`."""

from stanine.domain.errors import Faulty

#: Faults that a condition's message names; the rest are counted.
FAULTS_NAMED = 20
#: Characters that Kubernetes allows in a condition's message.
MAX_MESSAGE_CHARACTERS = 32_768
#: Bytes of a condition's message, so that whoever adds a sentence to it stays within.
MAX_MESSAGE = 32_000

#: Reasons of a condition that is false because of the spec.
INVALID_SPEC = "InvalidSpec"
INVALID_PARAMETER = "InvalidParameter"
INVALID_DOCUMENT = "InvalidDocument"


class InvalidResource(Faulty):
    """Raised when the spec of a custom resource cannot be acted on; `faults` names everything that is wrong with it."""

    @property
    def reason(self) -> str:
        """The reason of the condition that says so: InvalidParameter if all faults are in `spec.server`, else InvalidSpec."""
        is_of_server = all(fault.place.startswith("spec.server") for fault in self.faults)
        return INVALID_PARAMETER if is_of_server else INVALID_SPEC


class InvalidInstrument(InvalidResource):
    """Raised when an Instrument is no document that can be published."""

    @property
    def reason(self) -> str:
        """The reason of the condition that says so."""
        return INVALID_DOCUMENT


def say_faults(faulty: Faulty) -> str:
    """Return all that is wrong as a condition's message: the first 20 faults, a line each, then how many more there are; ≤ 32 KiB."""
    said = [str(fault) for fault in faulty.faults[:FAULTS_NAMED]]
    while True:
        rest = faulty.count - len(said)
        message = "\n".join(
            said + ([f"and {rest} more fault{'s' if rest > 1 else ''}"] if rest else [])
        )
        if len(message.encode()) <= MAX_MESSAGE:
            return message
        said.pop()
