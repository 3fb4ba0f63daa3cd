"""The cookie of a login, and the token that its forms carry. Used by the routes of the console.

The cookie holds the API's opaque token, never a key. A form's token is a keyed digest of it: who cannot read the
cookie cannot make one, and every process of the pages makes the same.
"""

import hashlib
import hmac
import re

from starlette.requests import Request
from starlette.responses import Response

from stanine.pages.secure_transport import Transport

#: A token as the API makes them; another value is ignored.
_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{8,200}", re.ASCII)
_FORM_TOKEN_BYTES = 16


def read_login(request: Request, transport: Transport) -> str | None:
    """Return the token of the login, if the browser has one."""
    value = request.cookies.get(_name(transport), "")
    return value if _TOKEN.fullmatch(value) else None


def keep_login(response: Response, transport: Transport, token: str) -> None:
    """Let the browser keep a login until it is closed; no other site's request or link carries it."""
    response.set_cookie(
        _name(transport),
        token,
        path="/",
        secure=transport.is_encrypted,
        httponly=True,
        samesite="strict",
    )


def forget_login(response: Response, transport: Transport) -> None:
    """Let the browser remove the login."""
    response.delete_cookie(
        _name(transport),
        path="/",
        secure=transport.is_encrypted,
        httponly=True,
        samesite="strict",
    )


def form_token(login: str) -> str:
    """Return the token that every form of a login carries."""
    return hashlib.blake2b(
        b"form", key=login.encode()[:64], digest_size=_FORM_TOKEN_BYTES
    ).hexdigest()


def is_form_token(login: str, given: str) -> bool:
    """Return whether a form comes from a page of this login."""
    return hmac.compare_digest(form_token(login).encode(), given.encode())


def _name(transport: Transport) -> str:
    return "__Host-stanine" if transport.is_encrypted else "stanine"
