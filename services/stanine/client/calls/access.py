"""Calls about logins, keys, changes and the status. Used by the resources `logins`, `keys`, `audit` and `status`."""

from stanine.client.messages import ApiCall, Reply, call, query, reader
from stanine.client.records import ChangeInfo, KeyInfo, LoginInfo, Page, ServiceStatus

#: Changes per page: the API's maximum.
PAGE = 1_000

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


def keys() -> ApiCall[list[KeyInfo]]:
    """Read the API keys."""

    def decode(reply: Reply) -> list[KeyInfo]:
        return reader(Page[KeyInfo])(reply).items

    return call("GET", "/v1/keys", decode)


def changes(after: str, limit: int) -> ApiCall[Page[ChangeInfo]]:
    """Read a page of changes."""
    return call("GET", "/v1/audit", reader(Page[ChangeInfo]), query=query(after=after, limit=limit))


def status() -> ApiCall[ServiceStatus]:
    """Read the state of the whole service."""
    return call("GET", "/v1/status", reader(ServiceStatus))


def newest_changes(count: int) -> ApiCall[list[ChangeInfo]]:
    """Read the newest changes, in order."""

    def decode(reply: Reply) -> list[ChangeInfo]:
        return reader(Page[ChangeInfo])(reply).items

    return call("GET", "/v1/audit", decode, query=query(last=count))
