"""Reconcile one resource: run the kind's `reconcile`, write its status, post Events.

Called by the controller, one reconciliation per resource at a time. The kind's functions run in a thread because they
use synchronous Redis clients.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from opentelemetry.trace import StatusCode, Tracer

from stanine.crds.errors import InvalidResource, format_faults
from stanine.telemetry.logs import get_log
from stanine_operator.controller.conditions import (
    RECONCILIATION_PAUSED,
    failure_conditions,
    find_condition,
)
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.events import EventRecorder, transition_events
from stanine_operator.controller.kinds import FINALIZER, KindHandler
from stanine_operator.controller.problems import (
    INTERNAL_ERROR,
    REDIS_CONFIG_NOT_FOUND,
    REFUSED,
    SECRET_NOT_FOUND,
    SECRET_REASONS,
    SERVER_ERRORS,
    OperatorProblem,
    problem_of,
)
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    FinalizeResult,
    ResourceCondition,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.status import (
    compose_status,
    is_ready,
    make_patch,
    must_write,
    with_condition,
)
from stanine_operator.kubernetes.client import ClusterError
from stanine_operator.kubernetes.cluster import Cluster
from stanine_operator.metrics import OperatorMetrics

#: Seconds after which a deletion continues even if finalizing fails: with the last attempt, below the promised 60.
FINALIZE_TIMEOUT = 40.0
#: The same limit if the RedisConfig or Secret is deleted as well: nothing can restore the connection.
FINALIZE_TIMEOUT_UNREACHABLE = 10.0
#: Seconds between finalize attempts.
FINALIZE_RETRY = 3.0
#: Seconds until a RedisConfig with a missing or unusable Secret is reconciled again.
SECRET_PAUSE = 5.0
#: Seconds until a resource with work in progress is reconciled again.
UNSETTLED_PAUSE = 5.0

#: Outcome if the resource no longer exists.
GONE = "gone"
#: Outcome if another operator serves the resource.
YIELDED = "yielded"

T = TypeVar("T")


class ReconcileRun(msgspec.Struct, frozen=True):
    """Summary of a reconciliation: outcome label, success, and requested delay in seconds."""

    outcome: str
    succeeded: bool
    requeue_after: float | None = None
    failures: int = 0


@dataclass
class _ResourceState:
    """State kept between reconciliations of a resource; losing it costs one status write."""

    failures: int = 0
    written: float = float("-inf")
    deleting_since: float | None = None
    #: Generation, spec and the record read from them. The generation alone is not enough: a restored etcd assigns it
    #: again.
    spec: tuple[int, dict[str, Any], Any] | None = None
    #: The reason that was logged last; repetitions are not logged.
    logged: str = ""


@dataclass
class Reconciler:
    """Reconciles resources. Created by main.py."""

    kinds: dict[str, KindHandler]
    context: ReconcileContext
    cluster: Cluster
    recorder: EventRecorder
    metrics: OperatorMetrics
    tracer: Tracer
    executor: Executor
    #: Called with a resource whose condition Ready changed.
    readiness_changed: Callable[[Resource], None] = lambda _resource: None
    #: Returns the seconds to wait because another operator serves the resource, or None.
    wait: Callable[[Resource], float | None] = lambda _resource: None
    #: Set while the operator is being removed: it adds no finalizers any more.
    leaving: bool = False
    clock: Callable[[], float] = time.monotonic
    #: Returns the time in RFC 3339.
    now: Callable[[], str] = lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    _states: dict[str, _ResourceState] = field(default_factory=dict)

    async def reconcile(self, resource: Resource) -> ReconcileRun:
        """Reconcile a resource.

        Never raises: errors are reported in status, log and metrics, and retried.
        """
        kind = self.kinds[resource.kind]
        state = self._states.setdefault(resource.uid, _ResourceState())
        started = self.clock()
        with self.tracer.start_as_current_span(
            f"reconcile {kind.name}", record_exception=False
        ) as span:
            span.set_attribute("k8s.namespace.name", resource.namespace)
            span.set_attribute("stanine.resource.kind", kind.name)
            span.set_attribute("stanine.resource.name", resource.name)
            try:
                run = await self._reconcile(kind, resource, state)
            except ClusterError as error:
                if not error.not_found and not error.unavailable and not error.conflict:
                    self._log_once(
                        state,
                        resource,
                        "api_server.refused",
                        f"{error.status}",
                        status=error.status,
                    )
                run = (
                    ReconcileRun(GONE, succeeded=True)
                    if error.not_found
                    else ReconcileRun(
                        "conflict" if error.conflict else "api_server", succeeded=False
                    )
                )
            span.set_attribute("stanine.outcome", run.outcome)
            if not run.succeeded:
                span.set_status(StatusCode.ERROR)
        state.failures = 0 if run.succeeded else state.failures + 1
        self.metrics.reconciles.labels(kind.name, run.outcome).inc()
        self.metrics.duration.labels(kind.name).observe(self.clock() - started)
        return msgspec.structs.replace(run, failures=state.failures)

    def forget(self, resource: Resource) -> None:
        """Discard the state of a deleted resource."""
        self._states.pop(resource.uid, None)
        self.metrics.gauges.forget(resource.key)

    async def _reconcile(
        self, kind: KindHandler, resource: Resource, state: _ResourceState
    ) -> ReconcileRun:
        if (pause := self.wait(resource)) is not None:
            self.metrics.gauges.forget(resource.key)  # reported by the operator that serves it
            return ReconcileRun(YIELDED, succeeded=True, requeue_after=pause)
        if resource.deleting:
            return await self._finalize(kind, resource, state)
        if resource.paused:
            message = "The annotation stanine.dev/paused stops all changes: remove it to continue."
            condition = ResourceCondition("Paused", True, RECONCILIATION_PAUSED, message)
            status = with_condition(
                resource.status, condition, generation=resource.generation, now=self.now()
            )
            await self._write(kind, resource, state, status)
            return ReconcileRun("paused", succeeded=True)
        wants_finalizer = kind.finalize is not None and resource.deletes_data and not self.leaving
        if wants_finalizer != (FINALIZER in resource.finalizers):
            resource = await self._set_finalizer(kind, resource, wanted=wants_finalizer)
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                self.executor,
                contextvars.copy_context().run,
                self._work, kind.reconcile, kind, resource, state,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - logged with its traceback in _problem; affects only this resource
            problem = self._problem(error, resource, state)
            conditions = failure_conditions(kind, resource.status, problem)
            status = compose_status(
                resource.status,
                conditions,
                generation=resource.generation,
                now=self.now(),
                fields=None,
            )
            await self._write(kind, resource, state, status)
            # Reading a Secret is cheap, and a user may be waiting for the change to take effect.
            pause = (
                SECRET_PAUSE
                if resource.kind == "RedisConfig" and problem.reason in SECRET_REASONS
                else None
            )
            return ReconcileRun("failed", succeeded=False, requeue_after=pause)
        state.logged = ""
        self.metrics.gauges.set(resource.key, outcome.gauges)
        status = compose_status(
            resource.status,
            outcome.conditions,
            generation=resource.generation,
            now=self.now(),
            fields=outcome.fields,
        )
        await self._write(kind, resource, state, status)
        for event in outcome.events:
            self.recorder.post(resource, event, self.now())
        ready = outcome.conditions[0].status is True
        return ReconcileRun(
            "ready" if ready else "not_ready",
            succeeded=ready,
            requeue_after=None if outcome.settled else UNSETTLED_PAUSE,
        )

    async def _finalize(
        self, kind: KindHandler, resource: Resource, state: _ResourceState
    ) -> ReconcileRun:
        """Run the kind's `finalize` for a limited time, then remove the finalizer."""
        if FINALIZER not in resource.finalizers:
            return ReconcileRun("deleting", succeeded=True)
        if kind.finalize is None or not resource.deletes_data:
            await self._remove_finalizer(kind, resource)
            return ReconcileRun("released", succeeded=True)
        if resource.paused:
            self._report_kept(resource, "PausedKept", "it is paused by annotation")
            await self._remove_finalizer(kind, resource)
            return ReconcileRun("released", succeeded=True)
        state.deleting_since = (
            self.clock() if state.deleting_since is None else state.deleting_since
        )
        limit, reason, message = FINALIZE_TIMEOUT, "DeletionUnfinished", "there was not enough time"
        released = FinalizeResult(done=False)
        try:
            released = await asyncio.get_running_loop().run_in_executor(
                self.executor,
                contextvars.copy_context().run,
                self._work, kind.finalize, kind, resource, state,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - as in _reconcile
            problem = self._problem(error, resource, state)
            reason, message = problem.reason, problem.message
            if problem.reason in (REDIS_CONFIG_NOT_FOUND, SECRET_NOT_FOUND):
                limit = FINALIZE_TIMEOUT_UNREACHABLE
        if not released.done:
            if self.clock() - state.deleting_since < limit:
                condition = ResourceCondition("Ready", False, reason, f"Deletion waits: {message}")
                status = compose_status(
                    resource.status,
                    (condition,),
                    generation=resource.generation,
                    now=self.now(),
                    fields=None,
                )
                await self._write(kind, resource, state, status)
                return ReconcileRun("deleting", succeeded=False, requeue_after=FINALIZE_RETRY)
            self._report_kept(resource, reason, message)
        self._post(resource, released.events)
        await self._remove_finalizer(kind, resource)
        return ReconcileRun("released", succeeded=True)

    async def _set_finalizer(
        self, kind: KindHandler, resource: Resource, *, wanted: bool
    ) -> Resource:
        """Add the finalizer if data is to be deleted with the resource; remove it otherwise."""
        others = tuple(each for each in resource.finalizers if each != FINALIZER)
        finalizers = (*others, FINALIZER) if wanted else others
        metadata = await self.cluster.set_finalizers(kind, resource, finalizers)
        return self._cache_written(
            msgspec.structs.replace(resource, finalizers=finalizers), metadata
        )

    async def _remove_finalizer(self, kind: KindHandler, resource: Resource) -> None:
        current = (
            self.context.resource_cache.get(resource.key) or resource
        )  # writing the status changed the resourceVersion
        current = current if current.uid == resource.uid else resource
        await self.cluster.set_finalizers(
            kind, current, [each for each in current.finalizers if each != FINALIZER]
        )

    def _work(
        self,
        work: Callable[[Resource, Any, ReconcileContext], T],
        kind: KindHandler,
        resource: Resource,
        state: _ResourceState,
    ) -> T:
        """Run a kind's function, in a thread, with the record of the resource's spec."""
        if state.spec is None or state.spec[:2] != (resource.generation, resource.spec):
            record = kind.read(resource)
        else:
            record = state.spec[2]
        # Also if equal: avoids keeping a second copy of a large spec.
        state.spec = (resource.generation, resource.spec, record)
        try:
            return work(resource, record, self.context)
        except SERVER_ERRORS as error:
            if problem_of(error).reason not in REFUSED:
                raise
            # The connection was opened after a password rotation: retry with the current Secret.
            self._report_server_error(error, resource)
            return work(resource, record, self.context)

    def _problem(
        self, error: Exception, resource: Resource, state: _ResourceState
    ) -> OperatorProblem:
        """Return the problem of an exception; record it in log, metrics and connection."""
        if isinstance(error, InvalidResource):
            problem = OperatorProblem(error.reason, format_faults(error), permanent=True)
        else:
            problem = problem_of(error)
        if isinstance(error, SERVER_ERRORS):
            self._report_server_error(error, resource)
        self.metrics.errors.labels(resource.kind, problem.reason).inc()
        details = {"exc_info": error} if problem.reason == INTERNAL_ERROR else {}
        self._log_once(
            state, resource, "reconcile.failed", problem.reason, reason=problem.reason, **details
        )
        return problem

    def _report_server_error(self, error: BaseException, resource: Resource) -> None:
        """Record a failure with the connection that a resource uses."""
        redis_config = self.context.resource_cache.redis_config(
            resource.namespace, resource.redis_config_name
        )
        if redis_config is not None:
            self.context.connections.report_failure(redis_config, problem_of(error))

    async def _write(
        self, kind: KindHandler, resource: Resource, state: _ResourceState, status: dict[str, Any]
    ) -> None:
        """Write a status if necessary, then report the changes."""
        old, status = resource.status, {**status, "operator": self.context.operator_id}
        if not must_write(
            old, status, volatile=kind.volatile, since_written=self.clock() - state.written
        ):
            return
        metadata = await self.cluster.patch_status(kind, resource, make_patch(old, status))
        state.written = self.clock()
        self.metrics.writes.labels(kind.name).inc()
        self._cache_written(msgspec.structs.replace(resource, status=status), metadata)
        self._post(resource, transition_events(old, status))
        if is_ready(old) != is_ready(status):
            get_log().info(
                "resource.ready" if is_ready(status) else "resource.not_ready",
                kind=resource.kind, namespace=resource.namespace, name=resource.name,
                reason=(find_condition(status["conditions"], "Ready") or {}).get("reason"),
            )  # fmt: skip
            self.readiness_changed(resource)

    def _cache_written(self, resource: Resource, metadata: dict[str, Any]) -> Resource:
        """Cache a written state before the watch delivers it, unless others changed it."""
        written = msgspec.structs.replace(resource, version=str(metadata["resourceVersion"]))
        if (
            metadata.get("generation", 1) == resource.generation
            and bool(metadata.get("deletionTimestamp")) == resource.deleting
        ):
            self.context.resource_cache.update(written)
        return written

    def _post(self, resource: Resource, events: tuple[EventSpec, ...] | list[EventSpec]) -> None:
        for event in events:
            self.recorder.post(resource, event, self.now())

    def _report_kept(self, resource: Resource, reason: str, cause: str) -> None:
        message = f"Deleted, but its data in Redis was kept: {cause}"
        self._post(resource, [EventSpec(warning=True, reason=reason, message=message)])
        get_log().warning(
            "resource.left",
            kind=resource.kind,
            namespace=resource.namespace,
            name=resource.name,
            reason=reason,
        )

    def _log_once(
        self, state: _ResourceState, resource: Resource, event: str, mark: str, **fields: object
    ) -> None:
        """Log a warning about a resource, unless the last one had the same mark."""
        if state.logged == mark:
            return
        state.logged = mark
        get_log().warning(
            event, kind=resource.kind, namespace=resource.namespace, name=resource.name, **fields
        )
