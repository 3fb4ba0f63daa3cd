"""Sweep of due sessions: submits answers after deadline and grace period, removes expired sessions.

A loop of every API process. Each step is one idempotent call of the store, so several processes may sweep
concurrently. A session that cannot be ended now (its form is not indexed, or another attempt has its key) remains
due and does not block the sessions after it.
"""

import redis

from stanine.api.intake.storing import Intake
from stanine.api.loops import IndexFollower
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.session_content import held, submission_of
from stanine.api.web.deadlines import within
from stanine.domain.errors import InvalidAttempt
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.index import IndexView
from stanine.store.sessions import Sessions, StoredSession
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log

#: Maximum sessions per iteration, and per read.
SESSIONS_A_TURN, PAGE = 2_000, 100
#: Seconds between iterations.
SWEEP_SECONDS = 1.0

log = get_log()


class SessionSweep:
    """Ends due sessions."""

    def __init__(
        self,
        sessions: Sessions,
        desk: InvitationDesk,
        index: IndexFollower,
        intake: Intake,
        metrics: ApiMetrics,
    ) -> None:
        self._sessions = sessions
        self._desk = desk
        self._index = index
        self._intake = intake
        self._metrics = metrics
        #: Number of due sessions that the next iteration skips: those that could not be ended, if one iteration did
        #: not reach the end.
        self._start = 0
        self._left: set[bytes] = set()

    async def turn(self) -> None:
        """End due sessions, at most SESSIONS_A_TURN. Raises redis-py's errors."""
        if self._intake.is_full or SCORE_ATTEMPTS.queue in self._intake.draining:
            return
        now, start, left = await within(self._sessions.now()), self._start, set()
        for _ in range(SESSIONS_A_TURN // PAGE):
            page = await within(self._sessions.due(now, PAGE, start))
            for name in page:
                if not await self._end(name, now):
                    left.add(name)
                    start += 1
            if len(page) < PAGE:
                self._start = 0
                break
        else:
            self._start = start
        self._metrics.overdue_sessions.set(len(left))
        if new := left - self._left:
            log.warning("sessions.overdue", sessions=len(new), example=min(new).hex())
        self._left = left

    async def _end(self, name: bytes, now: int) -> bool:
        """End one session; return whether it is no longer due."""
        try:
            session = await within(self._sessions.read(name))
            if session is None or session.state != "Open" or not self._is_late(session, now):
                if (
                    await within(self._sessions.drop(name))
                    and session is not None
                    and session.state == "Open"
                ):
                    self._metrics.session("expired")
                return True
            _, ended = await self._index.consistent(lambda view: self._submit(session, view))
        except (
            redis.RedisError,
            OSError,
        ):  # the server is unavailable: the next iteration starts over
            raise
        except Exception as error:  # noqa: BLE001 - one invalid session must not block the others
            log.warning("session.not_ended", session=name.hex(), error=type(error).__name__)
            return False
        return ended

    async def _submit(self, session: StoredSession, view: IndexView) -> bool:
        entry = view.numbered(session.number, session.revision)
        if entry is None:
            return False
        form, (answers, said) = self._desk.form(entry), held(session.answers)
        attributes = {**session.given.attributes, **said}
        counted = form.settle(answers, attributes).answers
        while True:
            if not counted:  # no answers: there is no attempt without answers
                if await within(self._sessions.drop(session.id, expired=False)):
                    self._metrics.session("expired")
                return True
            try:
                submission = submission_of(session, view, form.packer.pack, counted, attributes)
                break
            except InvalidAttempt as error:  # concurrent saves of two devices may have stored answers that exclude each other
                refused = {fault.place.removeprefix("/answers/") for fault in error.faults}
                fewer = {item: answer for item, answer in counted.items() if item not in refused}
                if len(fewer) == len(counted):
                    return False
                counted = fewer
        done = await within(self._sessions.submit(session.id, session.seq, submission, swept=True))
        match done.outcome:
            case "Submitted":
                if not done.repeated:
                    self._metrics.session("swept")
                return True
            case "Erased" | "Gone":
                await within(self._sessions.drop(session.id, expired=False))
                return True
            case "Unknown" | "Withdrawn":
                return True
            case (
                "Changed"
            ):  # saved during its grace period after it was read; the next iteration reads it again
                return False
        return False  # Conflict: another attempt has the key

    @staticmethod
    def _is_late(session: StoredSession, now: int) -> bool:
        return (
            session.deadline > 0
            and now >= session.deadline + session.grace_ms
            and now < session.expires_at
        )
