"""Reconcile one Queue.

`reconcile` and `finalize` are idempotent and may be interrupted at any point. A reconciliation acquires the queue and
writes settings and state (one function in Redis), executes new requests, and reads the figures. Every decision is
based on the current state.
"""

from stanine.broker import QueueManaged, RequestConflict
from stanine.broker.administration import Handled
from stanine.broker.bootstrap import bootstrap
from stanine.broker.connection.errors import ServerError
from stanine.broker.connection.ownership import Owner
from stanine.crds.queue import QueueSpec
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.ownership import (
    RESOURCE_CONFLICT,
    acquire,
    conflict_message,
    find_conflict,
)
from stanine_operator.controller.problems import is_unreachable
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    FinalizeResult,
    ReconcileResult,
    kept_result,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.queues.desired import describe, describe_problem, desired_queue
from stanine_operator.queues.requests import (
    EXECUTED,
    NOT_EXECUTED,
    TOKEN_CONFLICT,
    QueueRequest,
    RequestStatus,
    find_requests,
    must_execute,
    read_reported,
)
from stanine_operator.redis_servers.connections import Server
from stanine_operator.redis_servers.libraries import store_library

_EVENT_TEXTS = {
    "purge": ("Purged", "messages deleted"),
    "requeueDead": ("Requeued", "dead letters requeued"),
}


def reconcile(resource: Resource, spec: QueueSpec, context: ReconcileContext) -> ReconcileResult:
    """Bring a queue to its desired state. Raises OperatorProblem and errors of the server."""
    conflict = find_conflict(resource, context.resource_cache)
    if conflict is not None:
        return _conflict_result(resource, spec, conflict.title)
    server, manager = context.connect(resource)
    try:
        report = acquire(
            lambda gone: bootstrap(
                server.client,
                namespace=server.keys.partition,
                queues=[desired_queue(spec, manager, gone)],
                libraries=[store_library()],
            ),
            resource.kind,
            context,
        )
    except QueueManaged as refused:
        return _conflict_result(resource, spec, refused.holder.name)
    except ServerError as error:
        if is_unreachable(error.problem.reason):
            raise
        return describe_problem(error.problem.reason, error.problem.remedy, resource.status)
    handled = report.handled[spec.queue_name]
    fields: dict[str, object] = {}
    events: list[EventSpec] = []
    for request in find_requests(spec):
        before = read_reported(resource.status, request.field)
        reported = _handle_request(request, before, handled, server, spec.queue_name, manager)
        fields[request.field] = reported.as_field()
        if reported != before:
            events.append(_request_event(request, reported))
    return describe(server.broker.stats(spec.queue_name), fields, tuple(events))


def finalize(resource: Resource, spec: QueueSpec, context: ReconcileContext) -> FinalizeResult:
    """Remove the queue of a deleted resource if the resource owns it and it is empty."""
    conflict = find_conflict(resource, context.resource_cache)
    if conflict is not None:
        return kept_result(
            RESOURCE_CONFLICT, f"{conflict.title} owns the queue {spec.queue_name}: it is kept."
        )
    server, manager = context.connect(resource)
    try:
        removed = server.broker.remove(spec.queue_name, manager)
    except QueueManaged as refused:
        return kept_result(
            RESOURCE_CONFLICT,
            f"{refused.holder.name} owns the queue {spec.queue_name}: it is kept.",
        )
    if removed:
        return FinalizeResult(
            done=True,
            events=(
                EventSpec(
                    False, "QueueDeleted", f"The queue {spec.queue_name} was empty and is deleted."
                ),
            ),
        )
    stats = server.broker.stats(spec.queue_name)
    held = f"{stats.ready} ready, {stats.delayed} delayed, {stats.in_flight} in flight, {stats.dead} dead"
    return kept_result(
        "QueueNotEmpty",
        f"The queue {spec.queue_name} is not empty ({held}): it is kept, and no resource owns it any more.",
    )


def _handle_request(
    request: QueueRequest,
    before: RequestStatus | None,
    handled: Handled,
    server: Server,
    queue: str,
    manager: Owner,
) -> RequestStatus:
    """Execute a new request, or recall the result of a handled one."""
    mark = handled.purge if request.mark == "purge" else handled.requeue
    if must_execute(request, mark, before):
        reported = _execute(server, queue, request)
    elif before is not None and before.token == request.token:
        reported = before
    else:
        reported = _recall(server, queue, request)
    if mark != request.token:
        # Written after the execution: if the process dies before, the broker recognises the token and executes
        # nothing twice.
        server.broker.note_handled(queue, manager, request.mark, request.token)
    return reported


def _execute(server: Server, queue: str, request: QueueRequest) -> RequestStatus:
    try:
        done = server.broker.carry_out(
            queue, request.action, reason=request.reason, actor=request.actor, token=request.token
        )
    except RequestConflict:
        return RequestStatus(request.token, TOKEN_CONFLICT)
    return RequestStatus(request.token, EXECUTED, done.count)


def _recall(server: Server, queue: str, request: QueueRequest) -> RequestStatus:
    """Return the result of a handled request from the broker's record.

    It is NotExecuted if there is none: the token came with the resource.
    """
    done = server.broker.recall(queue, request.token, request.action)
    return (
        RequestStatus(request.token, NOT_EXECUTED)
        if done is None
        else RequestStatus(request.token, EXECUTED, done.count)
    )


def _request_event(request: QueueRequest, reported: RequestStatus) -> EventSpec:
    done, what = _EVENT_TEXTS[request.field]
    once = f"{request.field} {reported.token}"
    if reported.outcome == EXECUTED:
        return EventSpec(
            False, done, f"{request.field} {reported.token}: {reported.count} {what}.", once
        )
    if reported.outcome == TOKEN_CONFLICT:
        text = "the token was used for another request on this queue. Use a new token for every request."
        return EventSpec(
            True, f"{done}Not", f"{request.field} {reported.token} is not executed: {text}", once
        )
    text = (
        "the token existed when the resource was first reconciled. Set a new token to execute it."
    )
    return EventSpec(
        True, f"{done}Not", f"{request.field} {reported.token} is not executed: {text}", once
    )


def _conflict_result(resource: Resource, spec: QueueSpec, holder: str) -> ReconcileResult:
    message = conflict_message(f"the queue {spec.queue_name}", holder)
    return describe_problem(RESOURCE_CONFLICT, message, resource.status, owned=False)
