"""/v1/config: reads, changes and rolls back the runtime configuration. For operators."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import UNSET

from stanine.api.admin.settings_admin import SettingsAdmin
from stanine.api.admin.settings_bodies import (
    ChangeOrder,
    ConfigBody,
    ConfigChanged,
    RevisionList,
    RollbackOrder,
)
from stanine.api.web.auth import Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.problems import (
    CONFIG_CONFLICT,
    INVALID_REQUEST,
    MANAGED,
    NOT_FOUND,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    Problem,
)
from stanine.api.web.routing import Content, Route
from stanine.store.settings.changes import Configuration
from stanine.store.settings.errors import (
    ConfigurationError,
    ConfigurationManagedError,
    RevisionUnknownError,
    SettingsInvalidError,
)
from stanine.store.settings.plan import Applied
from stanine.telemetry.logs import get_log

#: Maximum bytes of a body: a revision, or a value for each setting.
MAX_ORDER_BYTES = 8192

T = TypeVar("T")

log = get_log()


class ConfigRoutes:
    """The routes of the configuration."""

    def __init__(self, desk: SettingsAdmin) -> None:
        self._desk = desk

    async def read(self, _request: Request) -> Answer:
        """Return the configuration."""
        return json_answer(await self._desk.read())

    async def history(self, _request: Request) -> Answer:
        """Return the stored revisions."""
        return json_answer(RevisionList(await self._desk.history()))

    async def change(self, request: Request) -> Answer:
        """Change settings."""
        order = await _order(request, ChangeOrder)
        expected = None if order.revision is UNSET else order.revision
        applied = await self._commit(
            lambda configuration: configuration.change(order.settings, expected_revision=expected)
        )
        request.changed_count = int(applied.changed)
        request.changed_names = sorted(order.settings)
        if applied.changed:
            by = request.caller.name if request.caller else None
            log.info(
                "config.changed", by=by, names=sorted(order.settings), revision=applied.revision
            )
        return json_answer(ConfigChanged(applied.revision, applied.changed))

    async def rollback(self, request: Request) -> Answer:
        """Restore the values of an earlier revision."""
        order = await _order(request, RollbackOrder)
        applied = await self._commit(lambda configuration: configuration.rollback(order.revision))
        request.changed_count = int(applied.changed)
        if applied.changed:
            by = request.caller.name if request.caller else None
            log.info("config.rolled_back", by=by, of=order.revision, revision=applied.revision)
        return json_answer(ConfigChanged(applied.revision, applied.changed))

    async def _commit(self, work: Callable[[Configuration], Applied]) -> Applied:
        try:
            return await self._desk.call(work)
        except ConfigurationManagedError:
            raise  # answered by the common mapping for managed objects
        except SettingsInvalidError as error:
            raise Problem(INVALID_REQUEST, f"{error}.") from None
        except RevisionUnknownError as error:
            raise Problem(NOT_FOUND, f"{error}.") from None
        except ConfigurationError as error:
            raise Problem(CONFIG_CONFLICT, f"{error}.") from None

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        return (
            Route(
                method="GET",
                path="/v1/config",
                handler=self.read,
                name="readConfig",
                summary="Read the runtime configuration",
                tag="config",
                scope=Scope.OPERATE_READ,
                answers={200: Content({"application/json": ConfigBody})},
            ),
            Route(
                method="PATCH",
                path="/v1/config",
                handler=self.change,
                name="changeConfig",
                summary="Change some settings; creates a revision if a value differs; services apply it within 2 s",
                tag="config",
                scope=Scope.OPERATE,
                body=Content({"application/json": ChangeOrder}),
                answers={200: Content({"application/json": ConfigChanged})},
                problems=(
                    CONFIG_CONFLICT,
                    INVALID_REQUEST,
                    MANAGED,
                    TOO_LARGE,
                    TOO_SLOW,
                    UNSUPPORTED_CONTENT,
                ),
            ),
            Route(
                method="GET",
                path="/v1/config/history",
                handler=self.history,
                name="listConfigRevisions",
                summary="List the stored revisions of the configuration, newest first",
                tag="config",
                scope=Scope.OPERATE_READ,
                answers={200: Content({"application/json": RevisionList})},
            ),
            Route(
                method="POST",
                path="/v1/config:rollback",
                handler=self.rollback,
                name="rollbackConfig",
                summary="Restore an earlier revision; creates a revision if a value differs; services apply it within 2 s",
                tag="config",
                scope=Scope.OPERATE,
                body=Content({"application/json": RollbackOrder}),
                answers={200: Content({"application/json": ConfigChanged})},
                problems=(
                    CONFIG_CONFLICT,
                    INVALID_REQUEST,
                    MANAGED,
                    NOT_FOUND,
                    TOO_LARGE,
                    TOO_SLOW,
                    UNSUPPORTED_CONTENT,
                ),
            ),
        )


async def _order(request: Request, record: type[T]) -> T:
    request.check_content(JSON)
    body = await request.body(MAX_ORDER_BYTES)
    try:
        return msgspec.json.decode(body, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(INVALID_REQUEST, f"{error}.") from None
