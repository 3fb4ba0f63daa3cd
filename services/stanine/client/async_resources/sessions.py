"""`client.sessions` for asyncio: open sessions, save, submit, withdraw and extend them."""

from collections.abc import Mapping

from stanine.client.async_resources.base import AsyncResource
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


class AsyncSessionsResource(AsyncResource):
    """`client.sessions`: attempts that a participant fills in."""

    async def open(
        self,
        instrument: str,
        request: SessionRequest | None = None,
        *,
        code: str | None = None,
    ) -> SessionInfo:
        """Open a session; the answer has its token and its form."""
        request = request or SessionRequest()
        return await self._client.call(sessions.open_session(instrument, request, code))

    async def get(self, session: str, *, token: str) -> SessionInfo:
        """Return a session with its answers. `token`: the session's own."""
        return await self._client.call(sessions.read(session, token))

    async def form(self, session: str, *, token: str) -> FormInfo:
        """Return the form of a session in its language."""
        return await self._client.call(sessions.form(session, token))

    async def save(
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
        """Merge answers into a session; None removes an answer."""
        return await self._client.call(
            sessions.save(session, token, seq, answers, attributes, page, section, language)
        )

    async def submit(self, session: str, *, token: str, wait: float = 0.0) -> SessionSubmitted:
        """Submit a session; submitting it again returns the same attempt. `wait`: seconds to wait for the result, 0 to 30."""
        return await self._client.call(sessions.submit(session, token, wait))

    async def withdraw(self, session: str, *, token: str) -> SessionWithdrawn:
        """Close a session and remove its answers."""
        return await self._client.call(sessions.withdraw(session, token))

    async def extend(self, session: str, time_limit_seconds: int) -> SessionExtended:
        """Extend the time limit of an open session, in seconds from its opening; never shortens it."""
        return await self._client.call(sessions.extend(session, time_limit_seconds))
