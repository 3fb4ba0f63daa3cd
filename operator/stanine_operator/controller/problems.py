"""Errors that a condition can report.

Raised by connections.py and by the kinds; caught by the reconciler.
"""

from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from stanine.broker.connection import errors
from stanine.broker.connection.errors import ServerError, classify

#: Reasons of problems with referenced objects; reasons of server errors are in stanine.broker.connection.errors.
REDIS_CONFIG_NOT_FOUND = "RedisConfigNotFound"
SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a password
SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105 - likewise
SECRET_FORBIDDEN = "SecretForbidden"  # noqa: S105 - likewise
SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 - likewise
API_SERVER_UNREACHABLE = "APIServerUnreachable"
INVALID_SPEC = "InvalidSpec"
INTERNAL_ERROR = "InternalError"

#: Reasons of problems with a Secret.
SECRET_REASONS = frozenset(
    {SECRET_NOT_FOUND, SECRET_KEY_MISSING, SECRET_FORBIDDEN, SECRET_UNREADABLE}
)
#: Reasons that mean the server is unreachable or rejects the operator.
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

#: Reasons caused by wrong credentials or a replaced certificate: the Secret may contain new ones by now.
REFUSED = frozenset(
    {errors.AUTH_FAILED.reason, errors.AUTH_REQUIRED.reason, errors.TLS_FAILED.reason}
)

#: Exceptions of redis-py, the socket and the broker for an unusable server.
SERVER_ERRORS = (RedisError, OSError, ServerError, BrokerConnectionError)


class OperatorProblem(Exception):  # noqa: N818 - a reported state, not always an error
    """A CamelCase reason and a sentence with the remedy.

    Permanent: retrying cannot help until something is changed.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.permanent = permanent


def is_unreachable(reason: str) -> bool:
    """Return whether a reason means that the server could not be queried."""
    return reason in _UNREACHABLE


def problem_of(error: BaseException) -> OperatorProblem:
    """Return the problem to report for an exception.

    Texts of unknown exceptions are withheld: they may contain secrets.
    """
    if isinstance(error, OperatorProblem):
        return error
    if isinstance(error, SERVER_ERRORS):
        problem = classify(error)
        return OperatorProblem(problem.reason, problem.remedy, permanent=problem.permanent)
    return OperatorProblem(
        INTERNAL_ERROR, f"The operator met an unexpected {type(error).__name__}: see its log."
    )
