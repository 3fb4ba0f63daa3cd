"""`client.sessions`: open sessions, save, submit, withdraw and extend them."""

from collections.abc import Mapping

from stanine.client.calls import sessions
from stanine.client.records import (
    AnswerValue,
    AttributeValue,
    FormInfo,
    SessionExtended,
    SessionInfo,
    SessionRequest,
    SessionSaved,
    SessionSubmitted,
    SessionWithdrawn,
)
from stanine.client.sync_resources.base import SyncResource


class SessionsResource(SyncResource):
    """`client.sessions`: attempts that a participant fills in."""

    def open(
        self,
        instrument: str,
        request: SessionRequest | None = None,
        *,
        code: str | None = None,
    ) -> SessionInfo:
        """Open a session; the answer has its token and its form.

        `code`: an invitation's, instead of the client's key; the request may then have `key` and `language`. With the
        same key it is opened once; without one a random key is made.
        """
        request = request or SessionRequest()
        return self._client.call(sessions.open_session(instrument, request, code))

    def get(self, session: str, *, token: str) -> SessionInfo:
        """Return a session with its answers. `token`: the session's own."""
        return self._client.call(sessions.read(session, token))

    def form(self, session: str, *, token: str) -> FormInfo:
        """Return the form of a session in its language."""
        return self._client.call(sessions.form(session, token))

    def save(
        self,
        session: str,
        *,
        token: str,
        seq: int,
        answers: Mapping[str, AnswerValue] | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        page: int = 0,
        section: str | None = None,
        language: str | None = None,
    ) -> SessionSaved:
        """Merge answers into a session; None removes an answer.

        `seq` is greater than in the last save; repeating the same save has no effect. Raises SessionConflictError with
        the stored answers for an outdated `seq`, SessionClosedError if the session takes no more answers.
        `section`: the one that the participant opens; its time limit, if any, runs from its first opening or answer.
        `language`: the one that the participant changes to.
        """
        return self._client.call(
            sessions.save(session, token, seq, answers, attributes, page, section, language)
        )

    def submit(self, session: str, *, token: str, wait: float = 0.0) -> SessionSubmitted:
        """Submit a session; submitting it again returns the same attempt. `wait`: seconds to wait for the result, 0 to 30.

        Raises InvalidAttemptError if a required answer is missing.
        """
        return self._client.call(sessions.submit(session, token, wait))

    def withdraw(self, session: str, *, token: str) -> SessionWithdrawn:
        """Close a session and remove its answers."""
        return self._client.call(sessions.withdraw(session, token))

    def extend(self, session: str, time_limit_seconds: int) -> SessionExtended:
        """Extend the time limit of an open session, in seconds from its opening; never shortens it."""
        return self._client.call(sessions.extend(session, time_limit_seconds))
