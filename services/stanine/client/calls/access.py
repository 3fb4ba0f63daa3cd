"""Calls about logins. Used by the resource `logins`."""

from stanine.client.messages import ApiCall, call, reader
from stanine.client.records import LoginInfo

_CURRENT = "/v1/logins/current"


def begin_login() -> ApiCall[LoginInfo]:
    """Begin a login. A retry after a lost answer begins another one; the first expires."""
    return call("POST", "/v1/logins", reader(LoginInfo))


def read_login(token: str | None) -> ApiCall[LoginInfo]:
    """Read a login by its token; None: the client's key is the token."""
    return call("GET", _CURRENT, reader(LoginInfo), token=token)


def end_login(token: str | None) -> ApiCall[None]:
    """End a login by its token; None: the client's key is the token."""
    return call("DELETE", _CURRENT, lambda _reply: None, token=token)
