"""What keeps the operator from doing its work, as a condition can say it. Raised by connections.py and by the kinds; caught by the loop."""

from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from stanine.broker.connection import errors
from stanine.broker.connection.errors import ServerError, classify

#: Reasons of problems with what a resource refers to; those of the server are stanine.broker.connection.errors'.
REDIS_CONFIG_NOT_FOUND = "RedisConfigNotFound"
SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, no password
SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105 - likewise
SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 - likewise
SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 - likewise
API_SERVER_UNREACHABLE = "APIServerUnreachable"
INVALID_SPEC = "InvalidSpec"
INTERNAL_ERROR = "InternalError"

#: What is wrong with a Secret.
SECRET_REASONS = frozenset(
    {SECRET_NOT_FOUND, SECRET_KEY_MISSING, SECRET_FORBIDDEN, SECRET_UNREADABLE}
)
#: The reasons for which a server cannot be reached, or is not let in to.
_UNREACHABLE = SECRET_REASONS | {
    problem.reason
    for problem in (
        errors.CONNECTION_REFUSED,
        errors.CONNECTION_LOST,
        errors.HOST_UNREACHABLE,
        errors.TIMED_OUT,
        errors.NAME_NOT_FOUND,
        errors.NO_PRIMARY,
        errors.TOO_MANY_CLIENTS,
        errors.AUTH_FAILED,
        errors.AUTH_REQUIRED,
        errors.TLS_FAILED,
        errors.WRONG_PROTOCOL,
        errors.PROTECTED_MODE,
        errors.NO_SUCH_DATABASE,
    )
}

#: What comes of a wrong or missing password, or of a certificate or authority that was replaced: the Secret may have another by now.
REFUSED = frozenset(
    {errors.AUTH_FAILED.reason, errors.AUTH_REQUIRED.reason, errors.TLS_FAILED.reason}
)

#: What redis-py, the socket and our broker raise when a server cannot be used.
SERVER_ERRORS = (RedisError, OSError, ServerError, BrokerConnectionError)


class OperatorProblem(Exception):  # noqa: N818 - says what happened; not every one is an error
    """A reason (CamelCase) and a sentence with the remedy. Permanent: trying again is in vain until somebody changes something."""

    def __init__(self, reason: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.permanent = permanent


def is_unreachable(reason: str) -> bool:
    """Tell whether a reason means that nothing could be asked of the server."""
    return reason in _UNREACHABLE


def problem_of(error: BaseException) -> OperatorProblem:
    """Return what an exception means to the owner of a resource. Texts of unknown exceptions are withheld: they may quote anything."""
    if isinstance(error, OperatorProblem):
        return error
    if isinstance(error, SERVER_ERRORS):
        problem = classify(error)
        return OperatorProblem(problem.reason, problem.remedy, permanent=problem.permanent)
    return OperatorProblem(
        INTERNAL_ERROR, f"The operator met an unexpected {type(error).__name__}: see its log."
    )
