"""One turn for one resource: look, decide, act, write its status, say what changed. Level-based: it does the same whatever woke it.

Called by the loop, one turn a resource at a time. The kind's own work runs in a thread, since it speaks to Redis synchronously.
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

from stanine.crds.errors import InvalidResource, say_faults
from stanine.telemetry.logs import get_log
from stanine_operator.controller.conditions import RECONCILIATION_PAUSED, find_condition
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.events import EventRecorder, transition_events
from stanine_operator.controller.kinds import FINALIZER, Kind
from stanine_operator.controller.problems import (
    REDIS_CONFIG_NOT_FOUND,
    REFUSED,
    SECRET_NOT_FOUND,
    SECRET_REASONS,
    SERVER_ERRORS,
    OperatorProblem,
    is_unreachable,
    problem_of,
)
from stanine_operator.controller.reconcile_result import Condition, EventSpec, FinalizeResult
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.resource_cache import ResourceCache, redis_config_of
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
from stanine_operator.redis_servers.connections import Connections

#: Seconds of trying after which a deletion goes on whatever happens: with the last try, below the 60 that are promised.
FINALIZE_TIMEOUT = 40.0
#: Seconds after which it goes on when what leads to the server is gone as well: nothing will bring it back.
FINALIZE_TIMEOUT_UNREACHABLE = 10.0
#: Seconds between tries while somebody waits for a deletion.
FINALIZE_RETRY = 3.0
#: Seconds until the next look for a Secret that is missing or unusable.
SECRET_PAUSE = 5.0
#: Seconds until the next look where a kind says that something is under way.
UNSETTLED_PAUSE = 5.0

#: What a turn comes to when its resource is not there any more.
GONE = "gone"
#: What it comes to when the resource is another operator's.
YIELDED = "yielded"

T = TypeVar("T")


class ReconcileRun(msgspec.Struct, frozen=True):
    """What a turn came to: a word for the metrics, whether all is well, and the pause that is asked for (seconds), if any."""

    outcome: str
    succeeded: bool
    requeue_after: float | None = None
    failures: int = 0


@dataclass
class _ResourceState:
    """What is remembered of a resource between turns; lost with the process, which costs a write each."""

    failures: int = 0
    written: float = float("-inf")
    deleting_since: float | None = None
    #: What the resource's spec was read from, and the record. A generation alone does not tell: etcd, restored, gives it out again.
    spec: tuple[int, dict[str, Any], Any] | None = None
    #: The problem that was logged last: the next of the same reason is not.
    logged: str = ""


@dataclass
class Reconciler:
    """Everything a turn needs. Made by main.py."""

    kinds: dict[str, Kind]
    resource_cache: ResourceCache
    connections: Connections
    cluster: Cluster
    recorder: EventRecorder
    metrics: OperatorMetrics
    tracer: Tracer
    executor: Executor
    operator_id: str
    #: Called with a resource whose summary has changed.
    changed: Callable[[Resource], None] = lambda _resource: None
    #: How many seconds a turn for a resource must wait, since another operator serves it; None: it may be taken.
    wait: Callable[[Resource], float | None] = lambda _resource: None
    #: Set when this operator is going for good: nothing is made to wait for it any more.
    leaving: bool = False
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _states: dict[str, _ResourceState] = field(default_factory=dict)

    async def reconcile(self, resource: Resource) -> ReconcileRun:
        """Do one turn. Raises nothing: what goes wrong is in the status, the log and the metrics, and is tried again."""
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
                    self._log(state, resource, "api_server.refused", f"{error.status}")
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
        """Forget a resource that is gone."""
        self._states.pop(resource.uid, None)
        self.metrics.gauges.forget(resource.key)

    async def _reconcile(
        self, kind: Kind, resource: Resource, state: _ResourceState
    ) -> ReconcileRun:
        if (pause := self.wait(resource)) is not None:
            self.metrics.gauges.forget(resource.key)  # whoever serves it has them
            return ReconcileRun(YIELDED, succeeded=True, requeue_after=pause)
        if resource.deleting:
            return await self._finalize(kind, resource, state)
        if resource.paused:
            message = "The annotation stanine.dev/paused stops all changes: remove it to go on."
            condition = Condition("Paused", True, RECONCILIATION_PAUSED, message)
            status = with_condition(
                resource.status, condition, generation=resource.generation, now=self._timestamp()
            )
            await self._write(kind, resource, state, status)
            return ReconcileRun("paused", succeeded=True)
        resource = await self._sync_finalizer(kind, resource)
        try:
            outcome = await self._in_thread(kind.reconcile, kind, resource, state)
        except Exception as error:  # noqa: BLE001 - what is unexpected is logged whole there, and is this resource's trouble only
            problem = self._problem(error, resource, state)
            conditions = _failure_conditions(kind, resource, problem)
            status = compose_status(
                resource.status,
                conditions,
                generation=resource.generation,
                now=self._timestamp(),
                fields=None,
            )
            await self._write(kind, resource, state, status)
            # Reading a Secret is cheap, and somebody is waiting for it to be seen.
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
            now=self._timestamp(),
            fields=outcome.fields,
        )
        await self._write(kind, resource, state, status)
        self._post(resource, outcome.events)
        ready = is_ready(status) is True
        return ReconcileRun(
            "ready" if ready else "not_ready",
            succeeded=ready,
            requeue_after=None if outcome.settled else UNSETTLED_PAUSE,
        )

    async def _finalize(
        self, kind: Kind, resource: Resource, state: _ResourceState
    ) -> ReconcileRun:
        """See to what outlives the resource, for a limited time; then let it go."""
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
        limit, why, message = FINALIZE_TIMEOUT, "DeletionUnfinished", "there was not enough time"
        released = FinalizeResult(done=False)
        try:
            released = await self._in_thread(kind.finalize, kind, resource, state)
        except Exception as error:  # noqa: BLE001 - as in _turn
            problem = self._problem(error, resource, state)
            why, message = problem.reason, problem.message
            if problem.reason in (REDIS_CONFIG_NOT_FOUND, SECRET_NOT_FOUND):
                limit = FINALIZE_TIMEOUT_UNREACHABLE
        if not released.done:
            if self.clock() - state.deleting_since < limit:
                condition = Condition("Ready", False, why, f"Deletion waits: {message}")
                status = compose_status(
                    resource.status,
                    (condition,),
                    generation=resource.generation,
                    now=self._timestamp(),
                    fields=None,
                )
                await self._write(kind, resource, state, status)
                return ReconcileRun("deleting", succeeded=False, requeue_after=FINALIZE_RETRY)
            self._report_kept(resource, why, message)
        self._post(resource, released.events)
        await self._remove_finalizer(kind, resource)
        return ReconcileRun("released", succeeded=True)

    async def _sync_finalizer(self, kind: Kind, resource: Resource) -> Resource:
        """Add our finalizer where data is to be deleted with the resource, before there is any; remove it where it is not."""
        wanted = kind.finalize is not None and resource.deletes_data and not self.leaving
        if wanted == (FINALIZER in resource.finalizers):
            return resource
        others = tuple(each for each in resource.finalizers if each != FINALIZER)
        finalizers = (*others, FINALIZER) if wanted else others
        metadata = await self.cluster.set_finalizers(kind, resource, finalizers)
        return self._take_in(msgspec.structs.replace(resource, finalizers=finalizers), metadata)

    async def _remove_finalizer(self, kind: Kind, resource: Resource) -> None:
        current = (
            self.resource_cache.get(resource.key) or resource
        )  # writing the status has made another version of it
        current = current if current.uid == resource.uid else resource
        await self.cluster.set_finalizers(
            kind, current, [each for each in current.finalizers if each != FINALIZER]
        )

    async def _in_thread(
        self,
        work: Callable[[Resource, Any, ReconcileContext], T],
        kind: Kind,
        resource: Resource,
        state: _ResourceState,
    ) -> T:
        context = ReconcileContext(
            self.connections, self.resource_cache, self.now(), self.operator_id
        )

        def run() -> T:
            if state.spec is None or state.spec[:2] != (resource.generation, resource.spec):
                record = kind.read(resource)
            else:
                record = state.spec[2]
            state.spec = (
                resource.generation,
                resource.spec,
                record,
            )  # also if equal: a second copy of a large spec is not kept
            try:
                return work(resource, record, context)
            except SERVER_ERRORS as error:
                if problem_of(error).reason not in REFUSED:
                    raise
                # A connection was made anew after the password had been rotated: once more, with what the Secret says now.
                self._report_server_error(error, resource)
                return work(resource, record, context)

        return await asyncio.get_running_loop().run_in_executor(
            self.executor, contextvars.copy_context().run, run
        )

    def _problem(
        self, error: Exception, resource: Resource, state: _ResourceState
    ) -> OperatorProblem:
        """Return what an exception means; note it in log, metrics and, if the server is to blame, with its connection."""
        if isinstance(error, InvalidResource):
            problem = OperatorProblem(error.reason, say_faults(error), permanent=True)
        else:
            problem = problem_of(error)
        if isinstance(error, SERVER_ERRORS):
            self._report_server_error(error, resource)
        self.metrics.errors.labels(resource.kind, problem.reason).inc()
        self._log(
            state,
            resource,
            "reconcile.failed",
            problem.reason,
            error if problem.reason == "InternalError" else None,
        )
        return problem

    def _report_server_error(self, error: BaseException, resource: Resource) -> None:
        """Note a failure with the connection that a resource uses."""
        redis_config = self.resource_cache.redis_config(
            resource.namespace, redis_config_of(resource) or resource.name
        )
        if redis_config is not None:
            self.connections.report_failure(redis_config, problem_of(error))

    async def _write(
        self, kind: Kind, resource: Resource, state: _ResourceState, status: dict[str, Any]
    ) -> None:
        """Write a status if that is worth it, then say what changed."""
        old, status = resource.status, {**status, "operator": self.operator_id}
        if not must_write(
            old, status, volatile=kind.volatile, since_written=self.clock() - state.written
        ):
            return
        metadata = await self.cluster.patch_status(kind, resource, make_patch(old, status))
        state.written = self.clock()
        self.metrics.writes.labels(kind.name).inc()
        self._take_in(msgspec.structs.replace(resource, status=status), metadata)
        self._post(resource, transition_events(old, status))
        if is_ready(old) != is_ready(status):
            get_log().info(
                "resource.ready" if is_ready(status) else "resource.not_ready",
                kind=resource.kind, namespace=resource.namespace, name=resource.name,
                reason=(find_condition(status["conditions"], "Ready") or {}).get("reason"),
            )  # fmt: skip
            self.changed(resource)

    def _take_in(self, resource: Resource, metadata: dict[str, Any]) -> Resource:
        """Know what was just written before the watch tells what became of it, unless others changed the resource meanwhile."""
        written = msgspec.structs.replace(resource, version=str(metadata["resourceVersion"]))
        if (
            metadata.get("generation", 1) == resource.generation
            and bool(metadata.get("deletionTimestamp")) == resource.deleting
        ):
            self.resource_cache.update(written)
        return written

    def _post(self, resource: Resource, events: tuple[EventSpec, ...] | list[EventSpec]) -> None:
        for event in events:
            self.recorder.post(resource, event, self.now())

    def _report_kept(self, resource: Resource, reason: str, why: str) -> None:
        message = f"Deleted, but what it stands for in Redis was left as it is: {why}"
        self._post(resource, [EventSpec(warning=True, reason=reason, message=message)])
        get_log().warning(
            "resource.left",
            kind=resource.kind,
            namespace=resource.namespace,
            name=resource.name,
            reason=reason,
        )

    def _log(
        self,
        state: _ResourceState,
        resource: Resource,
        event: str,
        reason: str,
        error: BaseException | None = None,
    ) -> None:
        if state.logged == reason:
            return
        state.logged = reason
        get_log().warning(
            event, kind=resource.kind, namespace=resource.namespace, name=resource.name, reason=reason,
            **({} if error is None else {"exc_info": error}),
        )  # fmt: skip

    def _timestamp(self) -> str:
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _failure_conditions(
    kind: Kind, resource: Resource, problem: OperatorProblem
) -> tuple[Condition, ...]:
    """Return what a problem says of each condition: of those it does not touch, Unknown where nothing was known, else nothing."""
    known = {condition["type"] for condition in resource.status.get("conditions") or ()}
    touched = {"Ready"}
    if kind.reachable is not None and is_unreachable(problem.reason):
        touched.add(kind.reachable)
    return tuple(
        Condition(name, False, problem.reason, problem.message)
        if name in touched
        else Condition(
            name, None, "NotReached", f"Not looked at yet: see Ready ({problem.reason})."
        )
        for name in kind.conditions
        if name in touched or name not in known
    )
