"""When a request is sent again, and after which pause. Pure: time and randomness come in as arguments. Used by `flow` and `bulk`.

`stamina` would be the library to use, but it owns the loop and the sleep, one for sync and one for async code, and keeps its switches and
hooks for the whole process. Here one logic serves both, and a client is a part of somebody else's process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from stanine.client.errors import StanineClientError, TemporaryError, UnreachableError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a client tries. Only what cannot have an effect twice is sent again."""

    #: Seconds over which a request is sent again before its error is raised; 0: it is sent once.
    patience: float = 60.0
    #: The same for a server that this client has not reached yet: most likely it does not run.
    patience_unreached: float = 10.0
    #: Seconds: the first pause, which doubles, and the longest. The server's Retry-After may ask for a longer one.
    first_pause: float = 0.1
    longest_pause: float = 5.0


#: Sends everything once.
NO_RETRIES = RetryPolicy(patience=0.0)


@dataclass(frozen=True, slots=True)
class Retry:
    """A request is about to be sent again: the argument of `on_retry`."""

    #: Method and route, without names.
    call: str
    error: StanineClientError
    #: How often it was sent, the seconds since the first time, and until the next.
    tries: int
    spent: float
    pause: float


class Series:
    """The tries of one request: decides about the next one."""

    def __init__(
        self,
        policy: RetryPolicy,
        call: str,
        *,
        reached: Callable[[], bool],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`clock`: monotonic seconds; `random`: numbers from 0 to 1; `reached`: whether the server ever answered."""
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
        """Return when to send again after an error. Raises the error if that could act twice, or if the patience is over."""
        if not isinstance(error, TemporaryError) or not (repeatable or error.had_no_effect):
            raise error
        self._tries += 1
        policy = self._policy
        never_reached = isinstance(error, UnreachableError) and not self._reached()
        patience = (
            min(policy.patience, policy.patience_unreached) if never_reached else policy.patience
        )
        longest = min(policy.first_pause * 2.0 ** min(self._tries - 1, 30), policy.longest_pause)
        # half of the pause at random, so that many clients do not come back together
        pause = max(longest * (1 + self._random()) / 2, error.retry_after or 0.0)
        spent = self._clock() - self._began
        if spent + pause > patience:
            raise error
        return Retry(self._call, error, self._tries, spent, pause)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header; a date is relative to the answer's Date, so that the local clock does not matter."""
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
