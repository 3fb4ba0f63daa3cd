"""Where sessions are: the API through its client, or this process's memory for a preview. Used by the routes."""

from collections.abc import Mapping
from typing import Any, Protocol

from stanine.client import AsyncStanine
from stanine.client.records import (
    FormInfo,
    InvitationPreview,
    SessionInfo,
    SessionRequest,
    SessionSaved,
    SessionSubmitted,
)


class SessionSource(Protocol):
    """What the survey needs. Each method raises the client's errors."""

    async def preview(self, code: str, language: str | None, accepts: str) -> InvitationPreview:
        """Return what a code shows; changes nothing.

        Its texts are in `language`, else the invitation's, else one that the header Accept-Language (`accepts`) names.
        """
        ...

    async def open(self, instrument: str, code: str, language: str | None) -> SessionInfo:
        """Open a session by a code, or find the one that it opened before."""
        ...

    async def get(self, session: str, token: str) -> SessionInfo:
        """Return a session."""
        ...

    async def form(self, session: str, token: str) -> FormInfo:
        """Return the form of a session in its language."""
        ...

    async def save(
        self,
        session: str,
        token: str,
        seq: int,
        answers: Mapping[str, Any],
        attributes: Mapping[str, Any],
        page: int,
        *,
        section: str | None = None,
        language: str | None = None,
    ) -> SessionSaved:
        """Merge answers and attributes into a session; None removes one.

        `section`: opened, so that its time runs. `language`: the session's from now on.
        """
        ...

    async def submit(self, session: str, token: str) -> SessionSubmitted:
        """Submit a session; repeating it returns the same attempt."""
        ...

    async def withdraw(self, session: str, token: str) -> None:
        """Close a session and remove its answers."""
        ...


class ApiSessions:
    """Sessions of the API."""

    def __init__(self, client: AsyncStanine) -> None:
        """`client` needs no key: every call has a code or a session's token."""
        self._client = client

    async def preview(self, code: str, language: str | None, accepts: str) -> InvitationPreview:
        """Return what a code shows."""
        return await self._client.invitations.preview(
            code, language=language, accept_language=accepts or None
        )

    async def open(self, instrument: str, code: str, language: str | None) -> SessionInfo:
        """Open a session by a code."""
        request = SessionRequest(language=language)
        return await self._client.sessions.open(instrument, request, code=code)

    async def get(self, session: str, token: str) -> SessionInfo:
        """Return a session."""
        return await self._client.sessions.get(session, token=token)

    async def form(self, session: str, token: str) -> FormInfo:
        """Return the form of a session."""
        return await self._client.sessions.form(session, token=token)

    async def save(
        self,
        session: str,
        token: str,
        seq: int,
        answers: Mapping[str, Any],
        attributes: Mapping[str, Any],
        page: int,
        *,
        section: str | None = None,
        language: str | None = None,
    ) -> SessionSaved:
        """Merge answers and attributes into a session."""
        return await self._client.sessions.save(
            session,
            token=token,
            seq=seq,
            answers=answers,
            attributes=attributes,
            page=page,
            section=section,
            language=language,
        )

    async def submit(self, session: str, token: str) -> SessionSubmitted:
        """Submit a session."""
        return await self._client.sessions.submit(session, token=token)

    async def withdraw(self, session: str, token: str) -> None:
        """Withdraw a session."""
        await self._client.sessions.withdraw(session, token=token)
