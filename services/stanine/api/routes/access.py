"""/v1/keys and /v1/audit: the API keys, and the changes that they have made. For operators."""

from msgspec import UNSET

from stanine.api.admin.access_bodies import ChangeBody, ChangePage, KeyBody, KeyList
from stanine.api.bodies import given
from stanine.api.result_presenter import iso
from stanine.api.web.auth import Keyring, Scope
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import HISTORY_CHANGED, MALFORMED_REQUEST, Problem
from stanine.api.web.queries import AFTER_CURSOR, LAST, LIMIT
from stanine.api.web.routing import Content, Route
from stanine.store.changes import Changes, ListedChange


class AccessRoutes:
    """The routes of keys and changes."""

    def __init__(self, keyring: Keyring, changes: Changes) -> None:
        self._keyring = keyring
        self._changes = changes

    async def keys(self, _request: Request) -> Answer:
        """Return the API keys, as this process has read them."""
        items = [
            KeyBody(
                entry.name,
                [str(scope) for scope in entry.scopes],
                list(entry.instruments),
                given(entry.key_space),
            )
            for entry in self._keyring.entries
        ]
        return json_answer(KeyList(items))

    async def changes(self, request: Request) -> Answer:
        """Return a page of changes, or the newest ones."""
        after, last = request.query["after"], request.query["last"]
        if last is None:
            found, cursor = await within(self._changes.page(after, request.query["limit"]))
        elif after != AFTER_CURSOR.default:
            raise Problem(MALFORMED_REQUEST, "Give either after or last.")
        else:
            found, cursor = await within(self._changes.newest(last))
        return json_answer(ChangePage([_body(each) for each in found], cursor.encode()))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/keys",
                handler=self.keys,
                name="listKeys",
                summary="List the API keys: names, scopes and instruments",
                tag="access",
                scope=Scope.OPERATE_READ,
                answers={200: Content({"application/json": KeyList})},
            ),
            Route(
                method="GET",
                path="/v1/audit",
                handler=self.changes,
                name="listChanges",
                summary="List the latest changes by API keys, in order: instruments, invitations, time limits, erasure, operation, logins",
                tag="access",
                scope=Scope.OPERATE_READ,
                query=(LIMIT, AFTER_CURSOR, LAST),
                answers={200: Content({"application/json": ChangePage})},
                problems=(HISTORY_CHANGED,),
            ),
        )


def _body(listed: ListedChange) -> ChangeBody:
    change = listed.change
    return ChangeBody(
        iso(listed.at),
        change.by,
        change.action,
        change.resource,
        change.status or UNSET,
        given(change.count),
        list(change.names) or UNSET,
    )
