"""/v1/logins: exchanges an API key for a token that ends by itself; reads and ends the login of a token."""

from msgspec import UNSET

from stanine.api.admin.access_bodies import LoginBody
from stanine.api.result_presenter import iso
from stanine.api.web.auth import Caller
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.login_tokens import LoginTokens
from stanine.api.web.problems import (
    TOO_MANY_FAILED_LOGINS,
    TOO_MANY_LOGINS,
    UNAUTHENTICATED,
    Problem,
)
from stanine.api.web.routing import Content, Route
from stanine.store.logins import IDLE_MS, MAX_LOGINS_PER_MINUTE

_CURRENT = "/v1/logins/current"


class LoginRoutes:
    """The routes of logins."""

    def __init__(self, logins: LoginTokens) -> None:
        self._logins = logins

    async def begin(self, request: Request) -> Answer:
        """Begin a login with the key of the request."""
        assert request.caller is not None
        begun = await self._logins.begin(request.caller)
        if begun is None:
            raise Problem(
                TOO_MANY_LOGINS, f"A key begins at most {MAX_LOGINS_PER_MINUTE} logins per minute."
            )
        token, ends = begun
        location = ((b"location", _CURRENT.encode()),)
        return json_answer(_body(request.caller, ends, token), 201, location)

    async def read(self, request: Request) -> Answer:
        """Return the login of the request's token."""
        assert request.caller is not None
        login = await self._logins.find(request.bearer.encode())
        if login is None:
            raise Problem(UNAUTHENTICATED, "The login has ended.")
        return json_answer(_body(request.caller, login.ends))

    async def end(self, request: Request) -> Answer:
        """End the login of the request's token."""
        await self._logins.end(request.bearer.encode())
        return Answer(204, b"")

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        one = Content({"application/json": LoginBody})
        return (
            Route(
                method="POST",
                path="/v1/logins",
                handler=self.begin,
                name="beginLogin",
                summary="Exchange an API key for a token, which is accepted wherever the key is and ends by itself",
                tag="logins",
                takes_key=True,
                answers={201: one},
                problems=(TOO_MANY_LOGINS, TOO_MANY_FAILED_LOGINS),
            ),
            Route(
                method="GET",
                path=_CURRENT,
                handler=self.read,
                name="readLogin",
                summary="Read the login of the sent token: the name, scopes and instruments of its key",
                tag="logins",
                takes_login=True,
                answers={200: one},
            ),
            Route(
                method="DELETE",
                path=_CURRENT,
                handler=self.end,
                name="endLogin",
                summary="End the login of the sent token",
                tag="logins",
                takes_login=True,
                answers={204: Content({})},
            ),
        )


def _body(caller: Caller, ends: int, token: str | None = None) -> LoginBody:
    return LoginBody(
        key=caller.name,
        scopes=sorted(caller.scopes),
        instruments=list(caller.instruments),
        expires_at=iso(ends),
        idle_seconds=IDLE_MS // 1000,
        token=UNSET if token is None else token,
    )
