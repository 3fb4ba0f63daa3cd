"""Records the changes that callers make in the list of changes. Called by `dispatch`.

A change is recorded before it is made; if it cannot be recorded, it is not made. Requests that are refused before
their handler is called (unknown key, missing scope) change nothing and are not recorded. The sweeps (deadlines,
retention) act for no key: they are counted and logged, and would displace the changes of keys from the bounded list.
"""

import os

from stanine.api.web.auth import Scope
from stanine.api.web.deadlines import within
from stanine.api.web.http import Answer, Request
from stanine.api.web.problem_mapping import problem_of
from stanine.api.web.routing import Route
from stanine.store.changes import CHANGE_BYTES, Changes, RecordedChange
from stanine.telemetry.logs import get_log

#: Scopes whose changes are recorded. Attempts and sessions are the data themselves, and too many.
_RECORDED = frozenset(
    {Scope.INSTRUMENTS_WRITE, Scope.INVITATIONS_WRITE, Scope.ERASE, Scope.OPERATE}
)
#: Path parameters that name no person and no attempt.
_NAMES = ("name", "queue", "letter", "invitation")
#: Maximum characters of a parameter: those of an instrument's name. Longer ones exist nowhere.
_MAX_NAME = 63
#: Status of a request whose handler failed, or was cancelled, without a problem.
_FAILED = 500

log = get_log()


class ChangeRecorder:
    """Calls handlers and records what they change."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def run(self, route: Route, request: Request) -> Answer | None:
        """Call the handler of a route and record the change, with the status of its answer."""
        assert request.caller is not None
        name = os.urandom(CHANGE_BYTES)
        change = RecordedChange(request.caller.name, route.name, _resource(route, request))
        await within(self._changes.begin(name, change))
        status = _FAILED
        try:
            answer = await route.handler(request)
            status = request.status if answer is None else answer.status
        except Exception as error:
            problem = problem_of(error)
            status = _FAILED if problem is None else problem.kind.status
            raise
        finally:
            await self._end(name, change, status, request)
        return answer

    async def _end(self, name: bytes, begun: RecordedChange, status: int, request: Request) -> None:
        done = RecordedChange(
            begun.by,
            begun.action,
            begun.resource,
            status,
            request.changed_count,
            tuple(request.changed_names),
        )
        try:
            await within(self._changes.end(name, done))
        except Exception as error:  # noqa: BLE001 - the change is made; its answer must not depend on this
            log.warning("audit.incomplete", action=done.action, error=type(error).__name__)
        log.info(
            "audit.change",
            by=done.by,
            action=done.action,
            resource=done.resource,
            status=status,
            count=done.count,
        )


def is_recorded(route: Route) -> bool:
    """Return whether the requests of a route are recorded as changes."""
    return route.method != "GET" and (
        route.scope in _RECORDED or route.takes_key or route.takes_login or route.always_recorded
    )


def _resource(route: Route, request: Request) -> str:
    """Return the address of a request without names of people and attempts."""
    resource = route.path
    for name in _NAMES:
        if name in request.parameters:
            text = request.parameters[name][:_MAX_NAME]
            resource = resource.replace(f"{{{name}}}", text)
    return resource
