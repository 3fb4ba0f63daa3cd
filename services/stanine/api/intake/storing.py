"""Stores checked attempts. Called by the attempt routes and the bulk intake.

Concurrent single submissions are combined into one Redis call: requests that arrive during a call wait for the next
one together. The round trips per request decrease with load, and an idle process adds no delay.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from stanine.api.web.deadlines import within
from stanine.api.web.problem_mapping import full
from stanine.api.web.problems import DRAINING, Problem
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.attempts import MAX_SUBMISSIONS, Attempts, Submission, Submitted

#: Maximum single submissions per call: it occupies Redis for well under a millisecond.
MAX_GATHERED = 128

Waiting = tuple[Submission, "asyncio.Future[Submitted]"]


class Intake:
    """Stores attempts; refuses them while Redis is nearly full."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        #: Whether Redis is nearly full; set by the loop that follows its memory.
        self.is_full = False
        #: Draining queues; set by the loop that follows their states.
        self.draining: frozenset[str] = frozenset()
        self._waiting: deque[Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    def admit(self, queue: str = SCORE_ATTEMPTS.queue) -> None:
        """Refuse new work.

        Raises the problem `full` while Redis is nearly full, `draining` while the queue of the message is draining.
        """
        if self.is_full:
            raise full()
        if queue in self.draining:
            raise Problem(DRAINING, f"The queue {queue} takes new work again when it is resumed.")

    async def submit(self, submission: Submission, trace: bytes) -> Submitted:
        """Store one attempt. Raises redis-py's errors if the outcome is unknown."""
        self.admit()
        if trace:  # a message has one producer span, so a traced submission gets its own message
            return (await within(self._attempts.submit([submission], trace=trace)))[0]
        future: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await future

    async def submit_many(self, submissions: Sequence[Submission], trace: bytes) -> list[Submitted]:
        """Store up to MAX_SUBMISSIONS attempts.

        Raises redis-py's errors if the outcome is unknown.
        """
        assert len(submissions) <= MAX_SUBMISSIONS
        self.admit()
        return await within(self._attempts.submit(submissions, trace=trace))

    async def _send(self) -> None:
        try:
            while self._waiting:
                await self._send_batch(
                    [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GATHERED))]
                )
        finally:
            self._sending = None

    async def _send_batch(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await within(self._attempts.submit([submission for submission, _ in batch]))
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(
                        error if isinstance(error, Exception) else asyncio.CancelledError()
                    )
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():  # the client may have disconnected
                future.set_result(outcome)
