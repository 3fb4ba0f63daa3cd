"""The sweep of due sessions: submits what is there after deadline and grace, removes what has expired. A loop of every API process.

Each step is one call of the store that changes nothing the second time, so several processes may sweep at once. A session that cannot be
ended now (its form is not indexed, its key has another attempt) stays due and does not hold up those behind it.
"""

import redis

from stanine.api.intake.storing import Intake
from stanine.api.loops import IndexFollower
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.sessions import held, submission_of
from stanine.api.web.deadlines import within
from stanine.domain.errors import InvalidAttempt
from stanine.messages import SCORE_ATTEMPTS
from stanine.store.index import IndexView
from stanine.store.sessions import Sessions, StoredSession
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log

#: Sessions looked at in one turn, and read as due at once.
SESSIONS_A_TURN, PAGE = 2_000, 100
#: Seconds between two turns.
SWEEP_SECONDS = 1.0

log = get_log()


class SessionSweep:
    """Ends the sessions that are due."""

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
        #: How many due sessions the next turn passes over: those that could not be ended, if a turn was not enough for all behind them.
        self._start = 0
        self._left: set[bytes] = set()

    async def turn(self) -> None:
        """End what is due now, as far as one turn goes. Raises redis-py's errors."""
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
        except (redis.RedisError, OSError):  # the server is away: the next turn begins again
            raise
        except Exception as error:  # noqa: BLE001 - one session, whatever is wrong with it, must not keep the others from their end
            log.warning("session.not_ended", session=name.hex(), error=type(error).__name__)
            return False
        return ended

    async def _submit(self, session: StoredSession, view: IndexView) -> bool:
        entry = view.numbered(session.number, session.revision)
        if entry is None:
            return False
        form, (answers, said) = self._desk.form(entry), held(session)
        attributes = {**session.given.attributes, **said}
        counted = form.settle(answers, attributes).answers
        while True:
            if not counted:  # nobody answered anything: there is no attempt without answers
                if await within(self._sessions.drop(session.id, expired=False)):
                    self._metrics.session("expired")
                return True
            try:
                submission = submission_of(session, view, form.packer.pack, counted, attributes)
                break
            except (
                InvalidAttempt
            ) as error:  # saved from two devices at once, answers may exclude each other
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
            ):  # saved within its grace after it was read; the next turn reads it again
                return False
        return False  # Conflict: the key has another attempt

    @staticmethod
    def _is_late(session: StoredSession, now: int) -> bool:
        return (
            session.deadline > 0
            and now >= session.deadline + session.grace_ms
            and now < session.expires_at
        )
