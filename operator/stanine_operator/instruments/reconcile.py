"""Reconcile one Instrument.

`reconcile` and `finalize` are idempotent and may be interrupted at any point. A reconciliation acquires the
instrument and reads its state in one function in Redis; it publishes only if the newest revision is another document.
It is repeated until the revision is indexed, and a requested re-scoring has ended.
"""

from opentelemetry.trace import get_current_span

from stanine.broker import QueueState
from stanine.crds.errors import INVALID_DOCUMENT
from stanine.crds.reading import instrument_document
from stanine.domain.instruments.document import canonical
from stanine.messages import BUILD_INDEX, Outbox
from stanine.store.errors import InstrumentManagedError
from stanine.store.managed import InstrumentState, ManagedInstruments, Removal
from stanine.telemetry.traces import traceparent_of
from stanine_operator.controller.context import ReconcileContext
from stanine_operator.controller.ownership import (
    RESOURCE_CONFLICT,
    acquire,
    conflict_message,
    find_conflict,
)
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    FinalizeResult,
    ReconcileResult,
    kept_result,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.instruments.desired import CheckedDocument, describe, describe_unpublished
from stanine_operator.instruments.rescoring import reconcile_rescoring
from stanine_operator.redis_servers.connections import Server
from stanine_operator.redis_servers.libraries import store_library


def reconcile(
    resource: Resource, checked: CheckedDocument, context: ReconcileContext
) -> ReconcileResult:
    """Publish the document of a resource. Raises OperatorProblem and errors of the server."""
    conflict = find_conflict(resource, context.resource_cache)
    if conflict is not None:
        return _conflict_result(resource, conflict.title)
    server, manager = context.connect(resource)
    instruments = _instruments(server)
    takes = not checked.error
    try:
        standing = acquire(
            lambda gone: instruments.hold(resource.name, manager, takes=takes, gone=gone),
            resource.kind,
            context,
        )
        if checked.error:
            return describe_unpublished(INVALID_DOCUMENT, checked.error, resource.status, standing)
        if standing.digest != checked.digest:
            if server.broker.state(BUILD_INDEX.queue) is QueueState.DRAINING:
                message = f"The queue {BUILD_INDEX.queue} is draining: the document is published when it is resumed."
                return describe_unpublished(
                    "QueueDraining", message, resource.status, standing, settled=False
                )
            document = canonical(instrument_document(resource.name, resource.spec))
            trace = traceparent_of(
                get_current_span()
            )  # the indexWatcher's work belongs to this reconciliation's trace
            published = instruments.publish(
                resource.name, document, checked.digest, checked.form_digest, manager, trace=trace
            )
            standing = InstrumentState(
                published.revision,
                published.form,
                published.digest,
                _indexed_revision(standing, published.form),
            )
    except InstrumentManagedError as refused:
        return _conflict_result(resource, refused.holder.name)
    rescoring = (
        None
        if checked.rescore is None
        else reconcile_rescoring(
            resource.name,
            checked.rescore,
            server,
            resource.status,
            is_indexed=standing.indexed >= standing.revision,
        )
    )
    return describe(checked, standing, resource.status, rescoring)


def finalize(
    resource: Resource, _judged: CheckedDocument, context: ReconcileContext
) -> FinalizeResult:
    """Remove the instrument of a deleted resource if it is the owner and there are no attempts."""
    conflict = find_conflict(resource, context.resource_cache)
    if conflict is not None:
        return kept_result(
            RESOURCE_CONFLICT,
            f"{conflict.title} owns the instrument {resource.name}: it is kept.",
        )
    server, manager = context.connect(resource)
    try:
        removal = _instruments(server).remove(resource.name, manager)
    except InstrumentManagedError as refused:
        return kept_result(
            RESOURCE_CONFLICT,
            f"{refused.holder.name} owns the instrument {resource.name}: it is kept.",
        )
    if removal is Removal.HAS_ATTEMPTS:
        return kept_result(
            "HasAttempts",
            f"The instrument {resource.name} has attempts: it is kept, and no resource owns it any more.",
        )
    if removal is Removal.ABSENT:
        return FinalizeResult(done=True)
    return FinalizeResult(
        done=True,
        events=(
            EventSpec(
                False,
                "InstrumentDeleted",
                f"The instrument {resource.name} had no attempts and is deleted.",
            ),
        ),
    )


def _instruments(server: Server) -> ManagedInstruments:
    route = BUILD_INDEX
    outbox = Outbox(
        server.broker.ready_key(route.queue), server.broker.head(route.queue, route.actor)
    )
    return ManagedInstruments(server.client, store_library(), server.keys, outbox)


def _indexed_revision(before: InstrumentState, form: int) -> int:
    """Return the indexed revision right after publishing: none if the form is new."""
    return before.indexed if before.form == form else 0


def _conflict_result(resource: Resource, holder: str) -> ReconcileResult:
    message = conflict_message(f"the instrument {resource.name}", holder)
    return describe_unpublished(RESOURCE_CONFLICT, message, resource.status, None)
