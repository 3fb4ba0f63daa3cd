"""/v1/status: the state of the whole service and its last 15 minutes. For operators."""

from stanine.api.admin.status_bodies import StatusBody
from stanine.api.admin.status_reader import StatusReader
from stanine.api.web.auth import Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.routing import Content, Route


class StatusRoutes:
    """The route of the status."""

    def __init__(self, reader: StatusReader) -> None:
        self._reader = reader

    async def read(self, _request: Request) -> Answer:
        """Return the status."""
        return json_answer(await self._reader.read())

    def routes(self) -> tuple[Route, ...]:
        """Return the declaration."""
        return (
            Route(
                method="GET",
                path="/v1/status",
                handler=self.read,
                name="readStatus",
                summary="Read the state of processes, queues, index and sweeps, and the last 15 minutes",
                tag="status",
                scope=Scope.OPERATE_READ,
                answers={200: Content({"application/json": StatusBody})},
            ),
        )
