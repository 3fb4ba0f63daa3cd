"""Decide when to retry a request. Pure: time and randomness are arguments.

Used by `flow` and `bulk`.
`stamina` does not fit: it owns the loop and the sleep, separately for sync and async code, and configures the whole
process. Here one implementation serves both, inside other applications' processes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from stanine.client.errors import (
    LostAnswerError,
    StanineClientError,
    TemporaryError,
    UnreachableError,
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a client retries. Only requests without a duplicate effect are retried."""

    #: Seconds during which a request is retried before its error is raised; 0 disables retries.
    patience: float = 60.0
    #: The same for a server that this client has not reached yet, which probably does not run.
    patience_unreached: float = 10.0
    #: Seconds: the first pause, which doubles, and the longest. The server's Retry-After may require a longer one.
    first_pause: float = 0.1
    longest_pause: float = 5.0


#: Disables retries.
NO_RETRIES = RetryPolicy(patience=0.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry about to be made: the argument of `on_retry`."""

    #: Method and route, without names.
    call: str
    error: StanineClientError
    #: Number of requests sent, seconds since the first, and seconds until the next.
    tries: int
    spent: float
    pause: float


class Series:
    """Retry state of one request."""

    def __init__(
        self,
        policy: RetryPolicy,
        call: str,
        *,
        reached: Callable[[], bool],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """Initialise the state of a request that has not been sent.

        `clock`: monotonic seconds; `random`: numbers from 0 to 1; `reached`: the server has answered before.
        """
        self._policy, self._call, self._reached, self._clock, self._random = (
            policy,
            call,
            reached,
            clock,
            random,
        )
        self._began = clock()
        self._tries = 0

    def after(self, error: StanineClientError, *, repeatable: bool) -> Retry:
        """Return when to retry after an error.

        Raises the error if a retry is unsafe or the patience is over.
        """
        if not isinstance(error, TemporaryError) or not (repeatable or error.had_no_effect):
            raise error
        self._tries += 1
        policy = self._policy
        never_reached = (
            isinstance(error, UnreachableError | LostAnswerError) and not self._reached()
        )
        patience = (
            min(policy.patience, policy.patience_unreached) if never_reached else policy.patience
        )
        longest = min(policy.first_pause * 2.0 ** min(self._tries - 1, 30), policy.longest_pause)
        # Half of the pause is random, so that clients do not retry simultaneously.
        pause = max(longest * (1 + self._random()) / 2, error.retry_after or 0.0)
        spent = self._clock() - self._began
        if spent + pause > patience:
            raise error
        return Retry(self._call, error, self._tries, spent, pause)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header.

    A date is relative to the answer's Date header, independent of the local clock.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 10 else None
    try:
        return max(
            (parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds(),
            0.0,
        )
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return None
