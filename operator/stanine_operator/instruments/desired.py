"""What an Instrument's document is, and what its status says: pure."""

from typing import Any

import msgspec

from stanine.crds.errors import InvalidResource, say_faults
from stanine.crds.reading import read_instrument
from stanine.domain.instruments.document import digest
from stanine.domain.instruments.instrument import form_digest
from stanine.store.managed import InstrumentState
from stanine_operator.controller.reconcile_result import EventSpec, Outcome, Verdict
from stanine_operator.controller.resource import Resource


class CheckedDocument(msgspec.Struct, frozen=True):
    """A resource's document, judged once for each generation: what it is, or what is wrong with it. The text itself is not kept."""

    digest: str = ""
    form_digest: str = ""
    items: int = 0
    scales: int = 0
    #: Empty if nothing is wrong.
    fault: str = ""


def check_document(resource: Resource) -> CheckedDocument:
    """Judge the document that a resource is. Seconds for the largest ones."""
    try:
        read = read_instrument(resource.name, resource.spec)
    except InvalidResource as error:
        return CheckedDocument(fault=say_faults(error))
    spec = read.instrument.spec
    return CheckedDocument(
        digest(read.document), form_digest(read.instrument), len(spec.items), len(spec.scales)
    )


def describe(judged: Judged, standing: InstrumentState, status: dict[str, Any]) -> Outcome:
    """Return what is said of an instrument whose document is published."""
    is_indexed = standing.indexed >= standing.revision
    if is_indexed:
        indexed = Condition(
            "Indexed", True, "Indexed", f"Revision {standing.revision} is served and scored by."
        )
    else:
        still = f"; revision {standing.indexed} is scored by meanwhile" if standing.indexed else ""
        indexed = Condition(
            "Indexed",
            False,
            "Indexing",
            f"Revision {standing.revision} waits for the indexWatcher{still}.",
        )
    fields: dict[str, object] = {
        "revision": standing.revision,
        "items": checked.items,
        "scales": checked.scales,
        "digest": checked.digest,
    }
    if standing.indexed:
        fields["indexedRevision"] = standing.indexed
    # A server that came back with older data gives the number of a lost revision to another document.
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
            Condition("Ready", is_indexed, indexed.reason, indexed.message),
            Condition(
                "Published", True, "Published", f"The document is revision {standing.revision}."
            ),
            indexed,
        ),
        fields=fields,
        gauges={"revision": standing.revision, "indexed_revision": standing.indexed},
        events=(event,) if is_new else (),
        settled=is_indexed,
    )


def describe_unpublished(
    reason: str,
    message: str,
    status: dict[str, Any],
    standing: InstrumentState | None,
    *,
    settled: bool = True,
) -> ReconcileResult:
    """Return what is said of an instrument whose document is not published; an earlier one that is stays in use.

    `standing` None: how the instrument stands is not known, or another resource's to tell.
    """
    fields: dict[str, object] = {}
    if standing is not None and standing.revision:
        earlier = {"revision": standing.revision, "indexedRevision": standing.indexed}
        kept = {name: status[name] for name in ("items", "scales", "digest") if name in status}
        fields = {name: value for name, value in (earlier | kept).items() if value}
        said = f"Revision {standing.revision} stays in use."
    else:
        said = "Nothing of this resource is published."
    return ReconcileResult(
        conditions=(
            Condition("Ready", False, reason, message),
            Condition("Published", False, reason, message),
            Condition("Indexed", False, "NotPublished", said),
        ),
        fields=fields,
        settled=settled,
    )
