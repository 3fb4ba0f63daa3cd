"""/healthz, /readyz and /metrics: for probes and scrapes, without a key."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry

from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import Answer, Request
from stanine.api.web.routing import Content, Route
from stanine.telemetry.health import HealthReport
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.metrics import expose


class ProbeRoutes:
    """The routes for probes."""

    def __init__(
        self,
        heartbeats: Heartbeats,
        reasons: Callable[[], list[str]],
        notes: Callable[[], list[str]],
        registry: CollectorRegistry,
    ) -> None:
        """`reasons`: why this process is not ready; `notes`: failures that leave it ready."""
        self._heartbeats = heartbeats
        self._reasons = reasons
        self._notes = notes
        self._registry = registry

    async def health(self, _request: Request) -> Answer:
        """Return whether the loops of this process run."""
        return _report(self._heartbeats.late())

    async def ready(self, _request: Request) -> Answer:
        """Return whether requests can be served."""
        return _report(self._reasons(), self._notes())

    async def metrics(self, request: Request) -> Answer:
        """Return the metrics."""
        body, content_type = expose(self._registry, request.text(b"accept"))
        return Answer(200, body, content_type.encode())

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        report = {
            200: Content({"application/json": HealthReport}),
            503: Content(
                {"application/json": HealthReport}, "Not healthy or not ready, with the reasons."
            ),
        }
        text = {200: Content({"text/plain": {"type": "string"}}, "The Prometheus text format.")}
        return (
            Route(
                method="GET",
                path="/healthz",
                handler=self.health,
                name="health",
                summary="Liveness: the loops of this process run",
                tag="probes",
                always=True,
                answers=report,
            ),
            Route(
                method="GET",
                path="/readyz",
                handler=self.ready,
                name="ready",
                summary="Readiness: Redis is available and prepared, and the index is loaded",
                tag="probes",
                always=True,
                answers=report,
            ),
            Route(
                method="GET",
                path="/metrics",
                handler=self.metrics,
                name="metrics",
                summary="Metrics",
                tag="probes",
                always=True,
                answers=text,
            ),
        )


def _report(reasons: list[str], notes: Sequence[str] = ()) -> Answer:
    return json_answer(HealthReport(not reasons, [*reasons, *notes]), 503 if reasons else 200)
