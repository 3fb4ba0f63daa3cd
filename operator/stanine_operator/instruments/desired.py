"""Validation of an Instrument's document and the status of an Instrument. Pure."""

from typing import Any

import msgspec

from stanine.crds.errors import InvalidResource, format_faults
from stanine.crds.reading import read_instrument
from stanine.domain.instruments.document import digest
from stanine.domain.instruments.instrument import form_digest
from stanine.domain.instruments.records import RescoreRequest
from stanine.store.managed import InstrumentState
from stanine_operator.controller.reconcile_result import (
    EventSpec,
    ReconcileResult,
    ResourceCondition,
)
from stanine_operator.controller.resource import Resource
from stanine_operator.instruments.rescoring import RescoringStatus


class CheckedDocument(msgspec.Struct, frozen=True):
    """Summary of a document, or its errors.

    Made once per generation; the document itself is not kept.
    """

    digest: str = ""
    form_digest: str = ""
    items: int = 0
    scales: int = 0
    #: The requested re-scoring.
    rescore: RescoreRequest | None = None
    #: Empty if the document is valid.
    error: str = ""


def check_document(resource: Resource) -> CheckedDocument:
    """Validate the document of a resource. Takes seconds for the largest documents."""
    try:
        read = read_instrument(resource.name, resource.spec)
    except InvalidResource as error:
        return CheckedDocument(error=format_faults(error))
    spec = read.instrument.spec
    return CheckedDocument(
        digest(read.document),
        form_digest(read.instrument),
        len(spec.items),
        len(spec.scales),
        read.rescore,
    )


def describe(
    checked: CheckedDocument,
    standing: InstrumentState,
    status: dict[str, Any],
    rescoring: RescoringStatus | None = None,
) -> ReconcileResult:
    """Return the result for a published document. `rescoring`: the state of the requested re-scoring."""
    is_indexed = standing.indexed >= standing.revision
    if is_indexed:
        indexed = ResourceCondition(
            "Indexed",
            True,
            "Indexed",
            f"Revision {standing.revision} is served and used for scoring.",
        )
    else:
        current = (
            f"; revision {standing.indexed} is used for scoring until then"
            if standing.indexed
            else ""
        )
        indexed = ResourceCondition(
            "Indexed",
            False,
            "Indexing",
            f"Revision {standing.revision} waits for the indexWatcher{current}.",
        )
    fields: dict[str, object] = {
        "revision": standing.revision,
        "items": checked.items,
        "scales": checked.scales,
        "digest": checked.digest,
    }
    if standing.indexed:
        fields["indexedRevision"] = standing.indexed
    events: tuple[EventSpec, ...] = ()
    if rescoring is not None:
        fields["rescoring"] = rescoring.as_field()
        events = rescoring.events(status.get("rescoring"))
    # A server restored from older data assigns a lost revision number again, to another document.
    is_new = (
        status.get("revision") != standing.revision
        or status.get("digest", checked.digest) != checked.digest
    )
    once = f"revision {standing.revision} {checked.digest}"
    event = EventSpec(
        False, "RevisionPublished", f"Revision {standing.revision} is published.", once=once
    )
    return ReconcileResult(
        conditions=(
            ResourceCondition("Ready", is_indexed, indexed.reason, indexed.message),
            ResourceCondition(
                "Published", True, "Published", f"The document is revision {standing.revision}."
            ),
            indexed,
        ),
        fields=fields,
        gauges={"revision": standing.revision, "indexed_revision": standing.indexed},
        events=(event, *events) if is_new else events,
        settled=is_indexed and (rescoring is None or rescoring.settled),
    )


def describe_unpublished(
    reason: str,
    message: str,
    status: dict[str, Any],
    standing: InstrumentState | None,
    *,
    settled: bool = True,
) -> ReconcileResult:
    """Return the result for a document that is not published; an earlier revision stays in use.

    `standing` None: the state of the instrument is unknown, or another resource owns it.
    """
    fields: dict[str, object] = {}
    if standing is not None and standing.revision:
        earlier = {"revision": standing.revision, "indexedRevision": standing.indexed}
        kept = {
            name: status[name]
            for name in ("items", "scales", "digest", "rescoring")
            if name in status
        }
        fields = {name: value for name, value in (earlier | kept).items() if value}
        published = f"Revision {standing.revision} stays in use."
    else:
        published = "Nothing of this resource is published."
    return ReconcileResult(
        conditions=(
            ResourceCondition("Ready", False, reason, message),
            ResourceCondition("Published", False, reason, message),
            ResourceCondition("Indexed", False, "NotPublished", published),
        ),
        fields=fields,
        settled=settled,
    )
