"""Validation of an Instrument's document, and its conditions."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.integration.api.serving import document

from stanine.domain.instruments.document import canonical, digest
from stanine.store.managed import InstrumentState
from stanine_operator.controller.resource import Resource
from stanine_operator.instruments.desired import (
    CheckedDocument,
    check_document,
    describe,
    describe_unpublished,
)

CHECKED = CheckedDocument("d", "f", 3, 1)


def resource(name: str = "a-mood", **more: Any) -> Resource:
    return Resource(
        kind="Instrument", namespace="ns", name=name, uid="u", spec={**document()["spec"], **more}
    )


def test_a_documents_digest_equals_the_apis() -> None:
    checked = check_document(resource(redisConfigRef={"name": "other"}, deletionPolicy="Delete"))
    assert checked == check_document(resource())
    assert (checked.digest, checked.items, checked.scales, checked.error) == (
        digest(canonical(document())),
        3,
        1,
        "",
    )


def test_every_error_of_a_document_is_in_the_message() -> None:
    fault = check_document(resource(language=3, nonsense=True)).error
    assert "spec.language" in fault
    assert "spec.nonsense" in fault


@given(st.integers(1, 50), st.integers(0, 50))
def test_ready_is_true_if_and_only_if_the_newest_revision_is_indexed(
    revision: int, indexed: int
) -> None:
    outcome = describe(CHECKED, InstrumentState(revision, 1, "d", min(indexed, revision)), {})
    said = {condition.type: condition.status for condition in outcome.conditions}
    assert said == {"Ready": indexed >= revision, "Published": True, "Indexed": indexed >= revision}
    assert outcome.settled == (indexed >= revision)


def test_a_revision_is_announced_once() -> None:
    standing = InstrumentState(2, 1, "d", 2)
    assert len(describe(CHECKED, standing, {"revision": 1}).events) == 1
    assert describe(CHECKED, standing, {"revision": 2}).events == ()


def test_a_reused_revision_number_is_announced_again() -> None:
    lost = describe(CHECKED, InstrumentState(2, 1, "d", 2), {"revision": 1}).events
    again = describe(
        CheckedDocument("e", "f", 3, 1),
        InstrumentState(2, 1, "e", 2),
        {"revision": 2, "digest": "d"},
    ).events
    assert {event.reason for event in lost + again} == {"RevisionPublished"}
    assert len({event.once for event in lost + again}) == 2


def test_an_unpublished_document_keeps_earlier_figures_and_a_conflict_removes_them() -> None:
    status = {"items": 3, "scales": 1, "digest": "old", "revision": 1}
    kept = describe_unpublished("InvalidDocument", "…", status, InstrumentState(4, 4, "old", 0))
    assert kept.fields == {"items": 3, "scales": 1, "digest": "old", "revision": 4}
    assert describe_unpublished("ResourceConflict", "…", status, None).fields == {}
    assert {condition.status for condition in kept.conditions} == {False}
