"""Cookies that hold the token of a session. Used by the survey and the result.

One cookie per session, without an end: it is removed when the browser is closed, and the invitation's link leads
back to the session. Over TLS its name begins with `__Host-`, so that no other host can set it. On the loopback address
without TLS it has a plain name, since browsers disagree about `__Host-` there.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from stanine.pages.secure_transport import Transport

#: A token as the API makes them; another value is ignored.
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{8,200}", re.ASCII)


def read_token(request: Request, transport: Transport, session: str) -> str | None:
    """Return the token of a session, if the browser has it."""
    value = request.cookies.get(_name(transport, session), "")
    return value if _TOKEN.fullmatch(value) else None


def keep_token(response: Response, transport: Transport, session: str, token: str) -> None:
    """Let the browser keep the token of a session."""
    response.set_cookie(
        _name(transport, session),
        token,
        path="/",
        secure=transport.is_encrypted,
        httponly=True,
        samesite="lax",
    )


def forget_token(response: Response, transport: Transport, session: str) -> None:
    """Let the browser remove the token of a session."""
    response.delete_cookie(
        _name(transport, session),
        path="/",
        secure=transport.is_encrypted,
        httponly=True,
        samesite="lax",
    )


def _name(transport: Transport, session: str) -> str:
    return f"__Host-s_{session}" if transport.is_encrypted else f"s_{session}"
